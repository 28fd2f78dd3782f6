// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI

/// A call of Reconnect.
struct ReconnectCall {
  let manager: Manager
  let client: ControlClient

  func run(_ parameters: ReconnectParameters) throws(ControlError) {
    let device = try manager.device(called: parameters.name)
    client.log("reconnect", of: device)
    guard device.lifecycle.phase != .detached else { throw .notAttached(device) }
    device.reconnect()
    client.succeed(Nothing())
  }
}
