// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI

/// A call of Status.
struct StatusCall {
  let manager: Manager
  let client: ControlClient

  func run(_ parameters: StatusParameters) throws(ControlError) {
    let devices =
      if let name = parameters.name { [try manager.device(called: name)] } else { manager.sorted }
    client.succeed(StatusResult(devices: devices.map(\.report.status)))
  }
}

extension Manager {
  /// Returns the device with that name.
  func device(called name: String) throws(ControlError) -> Device {
    guard let device = device(named: name) else { throw .noDevice(named: name) }
    return device
  }
}
