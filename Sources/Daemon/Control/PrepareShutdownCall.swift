// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI

/// A call of PrepareShutdown.
struct PrepareShutdownCall {
  let manager: Manager
  let client: ControlClient

  func run() {
    manager.prepareShutdown(askedForBy: client.caller)
    client.succeed(Nothing())
  }
}
