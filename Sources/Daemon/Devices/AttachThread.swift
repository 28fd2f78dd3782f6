// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import Glibc
internal import Linux
internal import NBD
internal import Relay
internal import Transport

/// One attempt to attach a device, top to bottom on a thread of its own, which then serves the
/// device in NBD_DO_IT until the connection ends.
nonisolated struct AttachThread: Sendable {
  let context: DeviceConfiguration
  /// Index of the kernel device to use.
  let index: Int
  /// Ends every wait before the kernel has the connection.
  let interrupt: Wakeup
  /// Called from the thread.
  let report: @Sendable (Report) -> Void

  enum Report: Sendable {
    /// The kernel is about to serve the device.
    case serving(Attachment)
    /// What the relay of the device has to say.
    case relay(DeviceRelay.Event)
    /// The kernel device is somebody else's.
    case taken(Failure)
    case ended(Failure)
  }

  /// What is needed to look after a device that the kernel serves.
  struct Attachment: Sendable {
    let device: IOCTLDevice
    /// On the direct path, a duplicate of the socket that the kernel holds.
    let socket: Descriptor?
    let relay: DeviceRelay?
    /// How many connections the device may have.
    let laneCount: Int
    let thread: Int
    let address: Address
    let encryption: String?
    let export: Export
    let geometry: DeviceGeometry
    /// What an admin might want to know about the export, though it works.
    let notes: [String]

    var server: String { address.description }
  }

  func run() {
    do throws(Failure) {
      let (stream, negotiated) = try ServerDialer(context, interrupt: interrupt).run()
      let geometry = try geometry(of: negotiated.export)
      switch context.settings.path {
      case .direct: try serve(direct: stream, negotiated, geometry)
      case .relay: try serve(relaying: stream, negotiated, geometry)
      }
    } catch {
      report(error.isTaken ? .taken(error) : .ended(error))
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
    if context.readOnly { flags.insert(.readOnly) }
    // The relay answers every request, and watches over the server itself.
    let timeout =
      context.settings.path == .relay
      ? 0 : UInt32(context.settings.requestTimeout.milliseconds + 999) / 1000
    return DeviceGeometry(
      blockSize: blockSize, blockCount: blockCount, flags: flags.rawValue,
      requestTimeoutSeconds: timeout)
  }

  /// Gives sockets to the kernel device.
  ///
  /// A device that has just been detached stays busy while udev looks at it: that is waited for.
  private func handOver(
    _ sockets: [Descriptor], _ geometry: DeviceGeometry
  ) throws(Failure) -> IOCTLDevice {
    let deadline = ContinuousClock.now + .seconds(2)
    while true {
      do throws(SystemError) {
        guard Sysfs.attacher(of: index) == nil else { throw SystemError("attach", EBUSY) }
        let device = try IOCTLDevice(opening: index)
        // Without it, the next user of the device gets what this one has set.
        try? RequestQueue.remember(index)
        try device.configure(sockets, geometry)
        return device
      } catch {
        guard error.errno == EBUSY else { throw Self.failure(error, index) }
        let isOver = ContinuousClock.now >= deadline
        if isOver || (try? interrupt.wait(within: .milliseconds(50))) != false {
          throw Self.taken(index)
        }
      }
    }
  }

  private static func failure(_ error: SystemError, _ index: Int) -> Failure {
    let path = DeviceNode.path(index)
    return switch error.errno {
    case ENOENT, ENXIO, ENODEV:
      Failure(.kernel, "\(path): \(error.reason); \(driverHint)")
    case EPERM, EACCES:
      Failure(
        .kernel, "\(path): \(error.reason); attaching needs CAP_SYS_ADMIN and access to the node",
        isPersistent: true)
    default: Failure(.kernel, "\(path): \(error)")
    }
  }

  /// What to do where there is no kernel device, or not this one.
  static var driverHint: String {
    switch (Sysfs.isDriverLoaded, Sysfs.devices().count) {
    case (false, 0): "the nbd driver is not loaded; load it with: modprobe nbd"
    case (true, 0):
      "the nbd driver is loaded, but without devices (nbds_max=0); load it again: modprobe -r nbd; "
        + "modprobe nbd nbds_max=16"
    case (_, let count):
      "the nbd driver has \(count) devices; for more, load it again: modprobe -r nbd; "
        + "modprobe nbd nbds_max=N"
    }
  }

  /// The failure of finding a kernel device in use, with who uses it.
  static func taken(_ index: Int) -> Failure {
    var failure = Failure(.kernel, "")
    failure.holders =
      (Holders.attacher(of: index).map { [$0] } ?? []) + Holders.describe(index)
    let reason =
      failure.holders.isEmpty ? "held by somebody" : failure.holders.joined(separator: ", ")
    failure.message = "\(DeviceNode.path(index)) is in use: \(reason)"
    failure.isTaken = true
    return failure
  }

  // MARK: serving

  /// What an admin might want to know; it also notes that the device is nbdd's.
  private func notes(_ negotiated: Negotiated, _ geometry: DeviceGeometry) -> [String] {
    var notes = negotiated.notes
    let size = negotiated.export.sizeBytes
    let tail = size % UInt64(geometry.blockSize)
    if tail > 0 {
      notes.append(
        "the last \(tail) bytes of the export are out of reach: its size is \(size) bytes, and the "
          + "kernel's blocks have \(geometry.blockSize)")
    }
    do throws(SystemError) { try AttachNote.write(index) } catch {
      notes.append(
        "after a crash of nbdd, its mount would not be known as left over from it: \(error)")
    }
    return notes
  }

  /// The kernel talks to the server itself.
  private func serve(
    direct stream: ServerStream, _ negotiated: Negotiated, _ geometry: DeviceGeometry
  ) throws(Failure) {
    do throws(SystemError) { try stream.socket.prepareForKernel() } catch {
      throw Failure(.kernel, error.description)
    }
    let device = try handOver([stream.socket.descriptor], geometry)
    report(
      .serving(
        Attachment(
          device: device, socket: stream.socket.descriptor, relay: nil, laneCount: 1,
          thread: Thread.currentID, address: stream.address, encryption: nil,
          export: negotiated.export, geometry: geometry, notes: notes(negotiated, geometry))))
    let error = device.run()
    device.clearSocket()
    RequestQueue.restore(device)
    report(.ended(Failure(.connection, words(error))))
  }

  /// The kernel talks to a relay, whatever becomes of the connection.
  private func serve(
    relaying stream: ServerStream, _ negotiated: Negotiated, _ geometry: DeviceGeometry
  ) throws(Failure) {
    let mayBeSeveral = negotiated.export.flags.contains(.canMultiConn)
    let laneCount = mayBeSeveral ? context.settings.connections : 1
    let (relay, device): (DeviceRelay, IOCTLDevice)
    do throws(SystemError) {
      var pairs: [SocketPair] = []
      for _ in 0..<laneCount { pairs.append(try SocketPair()) }
      var settings = context.settings.relay
      settings.kernelFlushes = TransmissionFlags(rawValue: geometry.flags).contains(.sendFlush)
      relay = try DeviceRelay(
        pairs.map(\.ours), connectionCount: laneCount, settings
      ) { report(.relay($0)) }
      try start(relay)
      do throws(Failure) { device = try handOver(pairs.map(\.kernel), geometry) } catch {
        relay.stop()
        return report(error.isTaken ? .taken(error) : .ended(error))
      }
      // With several sockets the driver gives up those on which it has waited for long, whatever it was
      // told about that (Linux 6.1); and no outage is too long.
      try? Sysfs.setQueue("io_timeout", "2147483647", of: index)
    } catch {
      throw Failure(.kernel, error.description)
    }
    report(
      .serving(
        Attachment(
          device: device, socket: nil, relay: relay, laneCount: laneCount,
          thread: Thread.currentID, address: stream.address, encryption: stream.encryption,
          export: negotiated.export, geometry: geometry, notes: notes(negotiated, geometry))))
    relay.use(HandedStream(stream), negotiated, as: 0)
    let error = device.run()
    relay.stop()
    device.clearSocket()
    RequestQueue.restore(device)
    report(.ended(Failure(.connection, words(error))))
  }

  private func start(_ relay: DeviceRelay) throws(SystemError) {
    try Thread.start("\(context.name.prefix(12))/io") { relay.run() }
  }

  private func words(_ error: SystemError?) -> String {
    switch (error?.errno, context.settings.path) {
    case (nil, .direct):
      "connection lost: the server closed it, or did not answer a request within "
        + Quantities.exactly(context.settings.requestTimeout)
    case (nil, .relay): "the device was disconnected by somebody else than nbdd"
    case (EBUSY, _): "NBD_DO_IT was interrupted: nbdd was stopped and continued, traced or frozen"
    default: "connection lost: \(error?.description ?? "")"
    }
  }
}

extension DeviceConfiguration.Settings {
  /// What the relay of a device needs to know.
  nonisolated var relay: DeviceRelay.Settings {
    var settings = DeviceRelay.Settings(
      requestTimeout: requestTimeout, unflushedLimit: unflushedLimit)
    settings.giveUpAfter = giveUpAfter
    settings.abandons = afterGiveUp == .abandon
    #if TEST_SWITCHES
      settings.without = TestSwitches.rulesTakenOut
    #endif
    return settings
  }
}
