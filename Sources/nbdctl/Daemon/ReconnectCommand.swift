// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import ControlAPI

/// `nbdctl reconnect`.
struct ReconnectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reconnect",
    abstract: "Reconnect a device to its server now.",
    discussion: "Ends the wait between attempts. Requests in progress wait, and are sent again.")

  @OptionGroup var daemon: DaemonOptions
  @Argument(
    help: ArgumentHelp("A name, nbdN, /dev/nbdN or a mount point.", valueName: "NAME"),
    completion: DeviceNames.completion)
  var name: String

  mutating func run() throws {
    let client = try daemon.client()
    let parameters = ReconnectParameters(name: try client.name(for: name))
    _ = try client.call(ControlMethod.reconnect, parameters)
  }
}
