// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI

/// A call of Fail.
struct FailCall {
  let manager: Manager
  let client: ControlClient

  func run(_ parameters: FailParameters) throws(ControlError) {
    let device = try manager.device(called: parameters.name)
    client.log("fail", of: device)
    guard device.lifecycle.phase != .detached else { throw .notAttached(device) }
    let changed = parameters.abandon == true ? device.abandon() : device.giveUp()
    client.succeed(FailResult(changed: changed))
  }
}
