// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Connection
internal import Glibc
internal import Kernel
internal import NBD

/// One attempt to attach a device, top to bottom on a thread of its own, which then serves the
/// device in NBD_DO_IT until the connection ends.
nonisolated struct Attempt: Sendable {
  let context: Context
  /// Index of the kernel device to use.
  let index: Int
  /// Ends every wait before the kernel has the connection.
  let interrupt: Interrupt
  /// Called from the thread.
  let report: @Sendable (Report) -> Void

  enum Report: Sendable {
    /// The kernel is about to serve the device.
    case serving(Serving)
    /// The kernel device is somebody else's.
    case taken(Failure)
    case ended(Failure)
  }

  /// What is needed to look after a device that the kernel serves.
  struct Serving: Sendable {
    let device: BlockDevice
    /// A duplicate of the socket that the kernel holds.
    let socket: Descriptor
    let thread: Int
    let server: String
    let export: Export
    let geometry: BlockDevice.Geometry
    /// What an admin might want to know about the export, though it works.
    let notes: [String]
  }

  func run() {
    do throws(Failure) {
      let stream = try connect()
      let negotiated = try negotiate(over: stream)
      let geometry = try geometry(of: negotiated.export)
      let device = try handOver(stream.socket, geometry)
      serve(device, stream.socket, stream.server, negotiated, geometry)
    } catch {
      report(error.isTaken ? .taken(error) : .ended(error))
    }
  }

  // MARK: to the server

  private func connect() throws(Failure) -> ServerStream {
    if let unsupported = context.uri.unsupported {
      throw Failure(.connect, unsupported, isLasting: true)
    }
    let pace = Pace(
      connectTime: context.settings.connectTimeout, stepTime: context.settings.negotiationTimeout)
    do throws(ConnectError) {
      return try ServerStream.connect(to: context.uri.transport, pace, interrupt: interrupt)
    } catch {
      throw Failure(
        error.isResolution ? .resolve : .connect, error.description,
        isLasting: error == .pathTooLong)
    }
  }

  private func negotiate(over stream: ServerStream) throws(Failure) -> Negotiated {
    do throws(NegotiationError) {
      return try NBD.negotiate(ExportRequest(context.uri.exportName), over: stream)
    } catch {
      throw Failure(.negotiate, error.description, isLasting: error.isLasting)
    }
  }

  // MARK: to the kernel

  private func geometry(of export: Export) throws(Failure) -> BlockDevice.Geometry {
    let blockSize = max(512, export.blockSizes?.minimum ?? 512)
    guard blockSize <= getpagesize() else {
      throw Failure(
        .kernel,
        "the server's minimum block size, \(blockSize), is above the kernel's limit, "
          + "\(getpagesize())", isLasting: true)
    }
    let blockCount = export.sizeBytes / UInt64(blockSize)
    guard blockCount > 0 else {
      let size = export.sizeBytes == 0 ? "empty (size 0)" : "smaller than one block of \(blockSize)"
      throw Failure(.kernel, "the export is \(size), so there is nothing to attach")
    }
    var flags = export.flags
    if context.readOnly { flags.insert(.readOnly) }
    return BlockDevice.Geometry(
      blockSize: blockSize, blockCount: blockCount, flags: flags.rawValue,
      requestTimeoutSeconds: UInt32(context.settings.requestTimeout.milliseconds + 999) / 1000)
  }

  /// Gives the connection to the kernel device.
  ///
  /// A device that has just been detached stays busy while udev looks at it: that is waited for.
  private func handOver(
    _ socket: StreamSocket, _ geometry: BlockDevice.Geometry
  ) throws(Failure) -> BlockDevice {
    let deadline = ContinuousClock.now + .seconds(2)
    while true {
      do throws(SystemError) {
        guard Sysfs.attacher(of: index) == nil else { throw SystemError("attach", EBUSY) }
        let device = try BlockDevice(opening: index)
        try socket.prepareForKernel()
        try device.configure(socket.descriptor, geometry)
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
    let path = BlockDevice.path(index)
    return switch error.errno {
    case ENOENT, ENXIO, ENODEV:
      Failure(.kernel, "\(path): \(error.reason); is the nbd module loaded (modprobe nbd)?")
    case EPERM, EACCES:
      Failure(
        .kernel, "\(path): \(error.reason); attaching needs CAP_SYS_ADMIN and access to the node",
        isLasting: true)
    default: Failure(.kernel, "\(path): \(error)")
    }
  }

  /// The failure of finding a kernel device in use, with who uses it.
  static func taken(_ index: Int) -> Failure {
    let attacher = Sysfs.attacher(of: index).map { process in
      let name = contents(of: "/proc/\(process)/comm")?.prefix { $0 != "\n" }
      return name.map { "attached by \($0) (\(process))" } ?? "attached by a process that has gone"
    }
    var failure = Failure(.kernel, "")
    failure.holders = (attacher.map { [$0] } ?? []) + Holders.describe(index)
    let reason =
      failure.holders.isEmpty ? "held by somebody" : failure.holders.joined(separator: ", ")
    failure.message = "\(BlockDevice.path(index)) is in use: \(reason)"
    failure.isTaken = true
    return failure
  }

  private func serve(
    _ device: BlockDevice, _ socket: StreamSocket, _ server: String, _ negotiated: Negotiated,
    _ geometry: BlockDevice.Geometry
  ) {
    report(
      .serving(
        Serving(
          device: device, socket: socket.descriptor, thread: Thread.currentID, server: server,
          export: negotiated.export, geometry: geometry, notes: negotiated.notes)))
    let error = device.run()
    device.clearSocket()
    report(.ended(Failure(.connection, words(error))))
  }

  private func words(_ error: SystemError?) -> String {
    switch error?.errno {
    case nil:
      "connection lost: the server closed it, or did not answer a request within "
        + Quantities.words(context.settings.requestTimeout)
    case EBUSY:
      "NBD_DO_IT was interrupted: nbdd was stopped and continued, traced or frozen"
    default: "connection lost: \(error?.description ?? "")"
    }
  }
}
