// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import ControlAPI

/// `nbdctl fail`.
struct FailCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fail",
    abstract: "Fail the requests that wait for a server, with I/O errors.",
    discussion: """
      For an outage whose end you do not want to wait for: processes that hang on the device go on, \
      with errors, and file systems can be unmounted. When the server is back, the device works again. \
      If the server is connected but does not respond, requests fail that have waited for a second or \
      longer.
      """)

  @OptionGroup var daemon: DaemonOptions
  @Argument(
    help: ArgumentHelp("A name, nbdN, /dev/nbdN or a mount point.", valueName: "NAME"),
    completion: DeviceNames.completion)
  var name: String
  @Flag(
    help:
      "Give up for good: drop acknowledged writes that were not flushed, and do not reconnect.")
  var abandon = false

  mutating func run() throws {
    let client = try daemon.client()
    let parameters = FailParameters(name: try client.name(for: name), abandon: abandon)
    let result = try client.call(ControlMethod.fail, parameters).value()
    if !result.changed { Terminal.note("\(name): no requests are waiting for its server") }
  }
}
