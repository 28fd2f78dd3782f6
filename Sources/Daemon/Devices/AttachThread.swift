// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Glibc
internal import Linux
internal import NBD
internal import Relay
internal import Transport

/// One attempt to attach a device, in sequence, on a thread of its own, which then serves the
/// device until the connection ends.
nonisolated struct AttachThread: Sendable {
  let configuration: DeviceConfiguration
  /// Index of the kernel device to use.
  let index: Int
  /// Ends every wait before the kernel has the connection.
  let interrupt: Wakeup
  /// Where nbdd-keeper listens; nil: the device is not kept.
  let keeperPath: String?
  /// Called from the thread.
  let report: @Sendable (Report) -> Void

  enum Report: Sendable {
    /// The kernel is about to serve the device.
    case serving(Attachment)
    /// What the relay of the device reports.
    case relay(DeviceRelay.Event)
    /// Another program uses the kernel device.
    case inUse(Failure)
    case ended(Failure)
  }

  /// A device that the kernel serves, and what is needed to manage it.
  struct Attachment: Sendable {
    let device: any KernelDevice
    /// On the direct path, the socket that the kernel holds as well.
    let socket: Descriptor?
    let relay: DeviceRelay?
    /// It outlives nbdd.
    let isKept: Bool
    /// How many connections the device may have.
    let connectionCount: Int
    let thread: Int
    /// The server's, if there was a connection already.
    let address: Address?
    let encryption: String?
    let export: Export
    var geometry: DeviceGeometry
    /// Peculiarities of the export that an admin may want to know.
    let notes: [String]

    var server: String? { address?.description }
  }

  func run() {
    do throws(Failure) {
      let (stream, negotiated) = try ServerDialer(configuration, interrupt: interrupt).run()
      let geometry = try geometry(of: negotiated.export)
      switch configuration.settings.path {
      case .direct: try serve(direct: stream, negotiated, geometry)
      case .relay: try serve(relaying: stream, negotiated, geometry)
      }
    } catch {
      DeviceLink.withdraw(index, configuration.name)
      report(error.isInUse ? .inUse(error) : .ended(error))
    }
  }

  // MARK: to the kernel

  private func geometry(of export: Export) throws(Failure) -> DeviceGeometry {
    let blockSize = max(512, export.blockSizes?.minimum ?? 512)
    guard blockSize <= getpagesize() else {
      throw Failure(
        .kernel,
        "the server's minimum block size, \(blockSize), is above the kernel's limit, "
          + "\(getpagesize())", isPersistent: true)
    }
    let blockCount = export.sizeBytes / UInt64(blockSize)
    guard blockCount > 0 else {
      let size = export.sizeBytes == 0 ? "empty (size 0)" : "smaller than one block of \(blockSize)"
      throw Failure(.kernel, "the export is \(size), so there is nothing to attach")
    }
    var flags = export.flags
    if configuration.readOnly { flags.insert(.readOnly) }
    // The relay replies to every request, and watches the server itself.
    let timeout =
      configuration.settings.path == .relay
      ? 0 : UInt32(configuration.settings.requestTimeout.milliseconds + 999) / 1000
    return DeviceGeometry(
      blockSize: blockSize, blockCount: blockCount, flags: flags.rawValue,
      requestTimeoutSeconds: timeout)
  }

  /// Hands sockets to the kernel device; `keep` is called before that with its open node.
  ///
  /// Waits for a moment if the device is busy, as it is just after a detach while udev probes it.
  func handOver(
    _ sockets: [Descriptor], _ geometry: DeviceGeometry,
    keep: (Descriptor) throws(SystemError) -> Void = { _ in }
  ) throws(Failure) -> any KernelDevice {
    let deadline = ContinuousClock.now + .seconds(2)
    while true {
      do throws(SystemError) {
        guard Sysfs.attacher(of: index) == nil else { throw SystemError("attach", EBUSY) }
        let device = try KernelDriver.open(index)
        // Without it, the next user of the device gets the settings of this one.
        try? RequestQueue.remember(index)
        try keep(device.node)
        try device.configure(sockets, geometry)
        // Without it the device has no link, but it works.
        try? DeviceLink.announce(
          index, configuration.name, byPath: configuration.uri.pathName)
        return device
      } catch {
        guard error.errno == EBUSY else { throw Failure(error, opening: index) }
        let isOver = ContinuousClock.now >= deadline
        if isOver || (try? interrupt.wait(within: .milliseconds(50))) != false {
          throw Failure(inUse: index)
        }
      }
    }
  }
}
