// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import ControlAPI

/// A call of Detach, until its reply.
struct DetachCall {
  let manager: Manager
  let client: ControlClient

  func run(_ parameters: DetachParameters) throws(ControlError) {
    let device = try device(parameters)
    let force = parameters.force == true
    client.log(force ? "forced detach" : "detach", of: device)
    guard device.lifecycle.phase != .detached else { return reply(device, changed: false) }
    // A device that is not in the configuration could not be attached again, so it is forgotten.
    let isForgotten = device.file == nil
    device.observe { observation in
      switch observation {
      case .refused(let failure):
        client.fail(error(device, failure))
        return true
      case .changed where device.lifecycle.phase == .detached:
        reply(device, changed: true)
        if isForgotten { manager.forget(device) }
        return true
      default: return false
      }
    }
    device.detach(force: force)
  }

  private func device(_ parameters: DetachParameters) throws(ControlError) -> Device {
    switch (parameters.name, parameters.device) {
    case (let name?, nil): return try manager.device(called: name)
    case (nil, let node?):
      guard let index = Sysfs.index(of: node), let device = manager.device(at: index) else {
        throw .noDevice(named: node)
      }
      return device
    case (let name, _):
      throw .invalidParameter(name == nil ? "name" : "device")
    }
  }

  private func reply(_ device: Device, changed: Bool) {
    client.succeed(DetachResult(changed: changed, notes: changed ? device.notes : []))
  }

  private func error(_ device: Device, _ failure: Failure) -> ControlError {
    guard !failure.holders.isEmpty, let index = device.index else {
      return .detachFailed(DeviceMessage(name: device.name, message: failure.message))
    }
    return .deviceInUse(
      HeldDevice(
        device: DeviceNode.path(index), holders: failure.holders, message: failure.message))
  }
}
