// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Dispatch
internal import Keeper
internal import Linux
internal import NBD
internal import Relay

/// A device that outlives nbdd: nbdd-keeper has what it needs, and the kernel serves it on a thread there.
extension Device {
  /// Continues with a device that an earlier nbdd has left.
  func adopt(
    _ kept: KeptDevice, _ remembered: RememberedDevice, _ record: Record
  ) throws(SystemError) {
    let device = KernelDriver.adopt(kept.node, remembered.index)
    let blockSize = UInt64(remembered.blockSize)
    let geometry = DeviceGeometry(
      blockSize: remembered.blockSize,
      // The kernel knows best: the device may have grown.
      blockCount: Sysfs.sizeBytes(of: remembered.index) / blockSize, flags: remembered.flags,
      requestTimeoutSeconds: 0)
    var settings = remembered.configuration.settings.relay
    settings.kernelFlushes = TransmissionFlags(rawValue: geometry.flags).contains(.sendFlush)
    let relay = try DeviceRelay(
      record, kept.sockets, former: kept.servers.map { FormerConnection($1, number: $0) },
      connectionCount: remembered.connectionCount, settings
    ) { event in
      DispatchQueue.main.async { self.take(.relay(event)) }
    }
    let attachment = AttachThread.Attachment(
      device: device, socket: nil, relay: relay, isKept: true,
      connectionCount: remembered.connectionCount, thread: kept.thread, address: nil,
      encryption: nil, export: remembered.export, geometry: geometry, notes: remembered.notes)
    let isPoisoned = record.faultCount(within: Self.poisonTime, before: Clocks.boottime) >= 3
    try begin(
      adopted: attachment, relay, remembered,
      firstNumber: (kept.servers.map(\.number).max() ?? 0) + 1,
      poison: isPoisoned ? Self.poison(record) : nil)
    try Thread.start("\(name.prefix(12))/io") { relay.run() }
    handle(.adopted(isSettled: remembered.settled != nil))
  }

  /// After three deaths of nbdd within this time, a device waits.
  private static let poisonTime = Duration.seconds(60)

  private static func poison(_ record: Record) -> Failure {
    Failure(
      .connection,
      "nbdd ended three times within a minute while it served this device (signal "
        + "\(record.faultSignal)), so it does not connect to the server; 'nbdctl reconnect' tries again",
      isPersistent: true)
  }

  /// What another process has to know of the device as it is now; nil if the kernel does not serve it.
  var remembered: RememberedDevice? {
    guard let attachment, let index else { return nil }
    return RememberedDevice(
      configuration: configuration, file: file, index: index,
      blockSize: attachment.geometry.blockSize, flags: attachment.geometry.flags,
      connectionCount: attachment.connectionCount,
      export: connections?.export ?? attachment.export, notes: attachment.notes,
      settled: isSettled ? settled : nil, mountPoint: mountPoint)
  }

  /// Leaves to a successor what the device is now.
  func remember() {
    guard let attachment, attachment.isKept, let relay = attachment.relay,
      let text = remembered?.text
    else { return }
    guard text != rememberedText else { return }
    rememberedText = text
    if !relay.record.setText(text) {
      Journal.error(
        "\(name): there is no memory for what the next nbdd has to know",
        Journal.Fields(device: name))
    }
  }

  /// Called when the relay has let go: gives the keeper the form that nbdd of any version reads.
  ///
  /// Without it, a successor of this version continues from the Record. Calls `end` when it is done.
  func leaveNeutralForm(_ end: @escaping @Sendable @MainActor () -> Void) {
    guard let relay = attachment?.relay, let path = keeperPath else { return end() }
    let name = name
    run {
      var failure: String?
      do {
        let form = try relay.neutralForm(named: name)
        try KeeperClient(at: path).replaceRecord(of: name, with: form.descriptor)
      } catch {
        failure = "\(error)"
      }
      DispatchQueue.main.async { [failure] in
        if let failure {
          Journal.warning(
            "\(name): only an nbdd of this version can continue with it: \(failure)",
            Journal.Fields(device: name))
        }
        end()
      }
    }
  }

  /// Called when the kernel has ended the device, with the error number of NBD_DO_IT.
  func endKept(_ message: String) {
    guard let attachment, attachment.isKept else {
      // The attach thread may not have reported yet.
      earlyEnd = message
      return
    }
    attachment.relay?.stop()
    let (name, path) = (name, keeperPath)
    run {
      RequestQueue.restore(attachment.device)
      // The kernel forgets the device only when the keeper has closed it too.
      if let path { try? KeeperClient(at: path).drop(name) }
      DispatchQueue.main.async { self.take(.ended(Failure(.connection, message))) }
    }
  }
}
