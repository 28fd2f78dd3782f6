// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import Glibc
internal import Keeper
internal import Linux
internal import Relay

/// Devices that outlive nbdd.
extension Manager {
  /// The connection to the keeper, made if there is none; nil if devices are not kept.
  func connectKeeper() -> KeeperLink? {
    guard let keeperPath else { return nil }
    if let keeper { return keeper }
    do throws(SystemError) {
      let link = try KeeperLink(at: keeperPath)
      link.onEnd = { [unowned self] name, code in
        devices[name]?.endKept(Self.message(for: code))
      }
      link.onLoss = { [unowned self] in keeperLost() }
      keeper = link
      return link
    } catch {
      if shownKeeperFailure != error {
        Journal.error(
          "nbdd-keeper cannot be used: \(error); devices that are attached now end when nbdd ends")
      }
      shownKeeperFailure = error
      return nil
    }
  }

  private static func message(for code: Int32) -> String {
    switch code {
    // An orderly disconnect used to return the second.
    case 0, EPIPE: "the device was disconnected by another program than nbdd"
    case EBUSY:
      "the driver was interrupted: nbdd-keeper was stopped and continued, traced or frozen"
    default: "connection lost: \(SystemError("NBD_DO_IT", code))"
    }
  }

  private func keeperLost() {
    keeper = nil
    let kept = devices.values.filter { $0.attachment?.isKept == true }
    guard !kept.isEmpty else { return }
    Journal.error(
      "nbdd-keeper has ended, and with it \(kept.count) devices: they are attached again")
    for device in kept { device.endKept("nbdd-keeper has ended, which ended the device") }
  }

  /// Continues with all devices that an earlier nbdd has left.
  ///
  /// Each is compared with the configuration as in a reload: what an attached device cannot apply waits, and what is
  /// not configured any more is forgotten when it is detached.
  func adoptAll() {
    guard let link = connectKeeper() else { return }
    let kept: [KeptDevice]
    do throws(SystemError) { kept = try KeeperLink.list(at: link.path) } catch {
      return Journal.error("nbdd-keeper does not say which devices it has: \(error)")
    }
    for device in kept {
      guard device.thread != 0 else {
        // The kernel does not serve it: nbdd ended while it was set up, or after it had ended.
        try? KeeperClient(at: link.path).drop(device.name)
        continue
      }
      adopt(device)
    }
  }

  private func adopt(_ kept: KeptDevice) {
    let name = kept.name
    let record: Record
    do throws(Record.Flaw) {
      record = try Record.continuing(kept.record, named: name, kept.sockets) {
        record throws(Record.Flaw) in
        guard let path = keeper?.path else { throw .system(SystemError("nbdd-keeper", ENOTCONN)) }
        try mapError(
          try KeeperClient(at: path).replaceRecord(of: name, with: record), to: Record.Flaw.system)
      }
    } catch {
      return refuse(name, "what an earlier nbdd has left of it cannot be used: \(error)")
    }
    guard let remembered = RememberedDevice(record.text), remembered.configuration.name == name
    else {
      return refuse(name, "an earlier nbdd has not said what it is")
    }
    let declaration = configuration.devices[name]
    let device = Device(remembered.configuration, file: remembered.file, manager: self)
    device.file = declaration?.file ?? remembered.file
    device.isOrphan = declaration == nil && remembered.file != nil
    devices[name] = device
    do throws(SystemError) { try device.adopt(kept, remembered, record) } catch {
      devices[name] = nil
      return refuse(name, "\(error)")
    }
    if let declaration { device.change(declaration.configuration) }
  }

  private func refuse(_ name: String, _ reason: String) {
    Journal.error(
      "\(name): not taken over: \(reason). Its requests wait; 'nbdd --fail \(name)' ends the device",
      Journal.Fields(device: name))
  }
}
