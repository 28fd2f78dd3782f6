// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI

/// A call of Reload.
struct ReloadCall {
  let manager: Manager
  let client: ControlClient

  func run() throws(ControlError) {
    do throws(ConfigurationFaults) {
      client.succeed(try manager.reload(askedForBy: client.caller))
    } catch {
      throw .invalid(error.problems)
    }
  }
}
