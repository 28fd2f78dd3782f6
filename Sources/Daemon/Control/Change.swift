// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import Linux
internal import Varlink

/// A call that changes something, other than Attach, until it is answered.
struct Change {
  let manager: Manager
  let connection: ControlClient

  // MARK: Detach

  func detach(_ parameters: JSON) {
    do throws(ControlError) {
      let device = try detachTarget(parameters)
      let force = parameters["force"]?.bool == true
      log(device, force ? "forced detach" : "detach")
      guard device.lifecycle.phase != .detached else { return detached(device, changed: false) }
      // It is not in the configuration, so nothing would be left to attach again.
      let ends = device.file == nil
      device.observe { observation in
        switch observation {
        case .refused(let failure):
          let refusal = refusal(device, failure)
          connection.fail(refusal.name, refusal.parameters)
          return true
        case .changed where device.lifecycle.phase == .detached:
          detached(device, changed: true)
          if ends { manager.forget(device) }
          return true
        default: return false
        }
      }
      device.detach(force: force)
    } catch {
      connection.fail(error.name, error.parameters)
    }
  }

  private func detachTarget(_ parameters: JSON) throws(ControlError) -> Device {
    switch (parameters["name"]?.string, parameters["device"]?.string) {
    case (let name?, nil):
      guard let device = manager.device(named: name) else { throw .noSuchDevice(name) }
      return device
    case (nil, let node?):
      guard let index = Sysfs.index(of: node), let device = manager.device(at: index) else {
        throw .noSuchDevice(node)
      }
      return device
    case (let name, _):
      throw .invalidParameter(name == nil ? "name" : "device")
    }
  }

  private func detached(_ device: Device, changed: Bool) {
    connection.reply(
      Reply(parameters: [
        "changed": JSON(changed),
        "notes": JSON(.array((changed ? device.notes : []).map { JSON($0) })),
      ]))
  }

  private func refusal(_ device: Device, _ failure: Failure) -> ControlError {
    guard !failure.holders.isEmpty, let index = device.index else {
      return ControlError(
        "DetachFailed",
        ["name": JSON(device.name), "message": JSON(failure.message)])
    }
    return ControlError(
      "DeviceInUse",
      [
        "device": JSON(DeviceNode.path(index)),
        "holders": JSON(failure.holders),
        "message": JSON(failure.message),
      ])
  }

  // MARK: Reconnect, Fail

  func reconnect(_ parameters: JSON) {
    do throws(ControlError) {
      let device = try named(parameters)
      log(device, "reconnect")
      guard device.lifecycle.phase != .detached else { throw .notAttached(device.name) }
      device.reconnect()
      connection.reply(Reply(parameters: [:]))
    } catch {
      connection.fail(error.name, error.parameters)
    }
  }

  func fail(_ parameters: JSON) {
    do throws(ControlError) {
      let device = try named(parameters)
      log(device, "fail")
      guard device.lifecycle.phase != .detached else { throw .notAttached(device.name) }
      let isForGood = parameters["abandon"]?.bool ?? false
      let changed = isForGood ? device.abandon() : device.giveUp()
      connection.reply(Reply(parameters: ["changed": JSON(changed)]))
    } catch {
      connection.fail(error.name, error.parameters)
    }
  }

  private func named(_ parameters: JSON) throws(ControlError) -> Device {
    guard let name = parameters["name"]?.string else { throw .invalidParameter("name") }
    guard let device = manager.device(named: name) else { throw .noSuchDevice(name) }
    return device
  }

  private func log(_ device: Device, _ wish: String) {
    Journal.notice(
      "\(device.name): \(wish) asked for by \(connection.caller)",
      Journal.Fields(device: device.name))
  }

  // MARK: Reload

  func reload() {
    do throws(ConfigurationFaults) {
      let result = try manager.reload(askedForBy: connection.caller)
      let names = { (names: [String]) in JSON(names) }
      connection.reply(
        Reply(parameters: [
          "added": names(result.added), "changed": names(result.changed),
          "removed": names(result.removed), "deferred": names(result.deferred),
        ]))
    } catch {
      let refusal = ControlError.invalid(error.problems)
      connection.fail(refusal.name, refusal.parameters)
    }
  }
}
