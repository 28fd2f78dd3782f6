// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import ControlAPI

/// `nbdctl fail`.
struct FailCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fail",
    abstract: "Answer what waits for a server with I/O errors.",
    discussion: """
      For an outage whose end nobody wants to wait for: processes that hang on the device go on, with \
      errors, and file systems can be unmounted. When the server is back the device works again.
      If the server is there and does not answer, what has waited for a second or longer is meant.
      """)

  @OptionGroup var daemon: DaemonOptions
  @Argument(
    help: "A name, nbdN, /dev/nbdN or a mount point.", completion: DeviceNames.completion)
  var name: String
  @Flag(
    help:
      "For good: drop acknowledged writes that were not flushed, and use no connection any more.")
  var abandon = false

  mutating func run() throws {
    let client = try daemon.client()
    let parameters = FailParameters(name: try client.name(for: name), abandon: abandon)
    let result = try client.call(ControlMethod.fail, parameters).value()
    if !result.changed { Terminal.note("\(name): nothing waits for its server") }
  }
}
