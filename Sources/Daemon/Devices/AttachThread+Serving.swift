// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Keeper
internal import Linux
internal import NBD
internal import Relay
internal import Transport

/// The two paths on which a kernel device is served.
nonisolated extension AttachThread {
  /// Returns peculiarities that an admin may want to know; also records that the device is nbdd's.
  private func notes(
    _ negotiated: Negotiated, _ geometry: DeviceGeometry, attachedBy thread: Int
  ) -> [String] {
    var notes = negotiated.notes
    let size = negotiated.export.sizeBytes
    let tail = size % UInt64(geometry.blockSize)
    if tail > 0 {
      notes.append(
        "the last \(tail) bytes of the export cannot be accessed: its size is \(size) bytes, and the "
          + "kernel's blocks have \(geometry.blockSize)")
    }
    do throws(SystemError) { try AttachNote.write(index, attachedBy: thread) } catch {
      notes.append(
        "after a crash, nbdd could not recognise its leftover mount: \(error)")
    }
    return notes
  }

  /// Serves the direct path: the kernel talks to the server itself.
  func serve(
    direct stream: ServerStream, _ negotiated: Negotiated, _ geometry: DeviceGeometry
  ) throws(Failure) {
    do throws(SystemError) { try stream.socket.prepareForKernel() } catch {
      throw Failure(.kernel, error.description)
    }
    let device = try handOver([stream.socket.descriptor], geometry)
    report(
      .serving(
        Attachment(
          device: device, socket: stream.socket.descriptor, relay: nil, isKept: false,
          connectionCount: 1,
          thread: Thread.currentID, address: stream.address, encryption: nil,
          export: negotiated.export, geometry: geometry,
          notes: notes(negotiated, geometry, attachedBy: Thread.currentID))))
    serve(device)
  }

  /// Serves the relay path: the kernel talks to a relay, which outlives connections.
  func serve(
    relaying stream: ServerStream, _ negotiated: Negotiated, _ geometry: DeviceGeometry
  ) throws(Failure) {
    let mayBeSeveral = negotiated.export.flags.contains(.canMultiConn)
    let connectionCount = mayBeSeveral ? configuration.settings.connections : 1
    let (relay, device): (DeviceRelay, any KernelDevice)
    let keeper = try keeperClient()
    var thread = Thread.currentID
    do throws(SystemError) {
      var pairs: [SocketPair] = []
      for _ in 0..<connectionCount { pairs.append(try SocketPair()) }
      var settings = configuration.settings.relay
      settings.kernelFlushes = TransmissionFlags(rawValue: geometry.flags).contains(.sendFlush)
      let record = try Record(
        named: configuration.name, socketCount: connectionCount,
        unflushedLimit: settings.unflushedLimit)
      relay = try DeviceRelay(record, pairs, connectionCount: connectionCount, settings) {
        report(.relay($0))
      }
      try start(relay)
      do throws(Failure) {
        device = try handOver(pairs.map(\.kernel), geometry) { node throws(SystemError) in
          try keeper?.keep(
            KeptDevice(
              name: configuration.name, record: record.file.descriptor, node: node, sockets: pairs))
        }
      } catch {
        relay.stop()
        try? keeper?.drop(configuration.name)
        return report(error.isInUse ? .inUse(error) : .ended(error))
      }
      if let keeper {
        do throws(SystemError) { thread = try keeper.park(configuration.name) } catch {
          relay.stop()
          device.clear()
          try? keeper.drop(configuration.name)
          throw error
        }
      }
    } catch {
      throw Failure(.kernel, error.description)
    }
    report(
      .serving(
        Attachment(
          device: device, socket: nil, relay: relay, isKept: keeper != nil,
          connectionCount: connectionCount, thread: thread, address: stream.address,
          encryption: stream.encryption, export: negotiated.export, geometry: geometry,
          notes: notes(negotiated, geometry, attachedBy: thread))))
    let number = keeper == nil ? 0 : 1
    try? keeper?.keepServer(of: configuration.name, number, stream.socket.descriptor)
    relay.use(HandedStream(stream), negotiated, as: 0, number: number)
    if keeper == nil { serve(device, stopping: relay) }
  }

  /// A connection to the keeper; nil if the device is not kept.
  private func keeperClient() throws(Failure) -> KeeperClient? {
    guard let keeperPath else { return nil }
    let (client, isTaken): (KeeperClient, Bool)
    do throws(SystemError) {
      client = try KeeperClient(at: keeperPath)
      isTaken = try client.list().contains { $0.name == configuration.name && $0.thread != 0 }
    } catch {
      throw Failure(.kernel, error.description)
    }
    guard !isTaken else {
      throw Failure(
        .kernel,
        "nbdd-keeper holds a device of this name that this nbdd could not take over; "
          + "'nbdd --fail \(configuration.name)' ends it")
    }
    return client
  }

  private func start(_ relay: DeviceRelay) throws(SystemError) {
    try Thread.start("\(configuration.name.prefix(12))/io") { relay.run() }
  }

  private func serve(_ device: any KernelDevice, stopping relay: DeviceRelay? = nil) {
    let end = device.run()
    relay?.stop()
    device.clear()
    RequestQueue.restore(device)
    report(.ended(Failure(.connection, message(for: end))))
  }

  private func message(for end: DeviceEnd) -> String {
    switch (end, configuration.settings.path) {
    case (.orderly, .direct):
      "connection lost: the server closed it, or did not reply to a request within "
        + Quantities.exactly(configuration.settings.requestTimeout)
    case (.orderly, .relay): "the device was disconnected by another program than nbdd"
    case (.interrupted, _):
      "the driver was interrupted: nbdd was stopped and continued, traced or frozen"
    case (.failed(let error), _): "connection lost: \(error)"
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
    settings.spins = busyPoll
    #if TEST_SWITCHES
      settings.without = TestSwitches.rulesTakenOut
    #endif
    return settings
  }
}
