// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import ControlAPI

/// `nbdctl reconnect`.
struct ReconnectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reconnect",
    abstract: "Connect a device to its server anew, at once.",
    discussion: "Ends a wait between attempts. Requests under way wait and are repeated.")

  @OptionGroup var daemon: DaemonOptions
  @Argument(
    help: "A name, nbdN, /dev/nbdN or a mount point.", completion: DeviceNames.completion)
  var name: String

  mutating func run() throws {
    let client = try daemon.client()
    let parameters = ReconnectParameters(name: try client.name(for: name))
    _ = try client.call(ControlMethod.reconnect, parameters)
  }
}
