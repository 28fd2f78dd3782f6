// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import ControlAPI

/// `nbdctl detach`.
struct DetachCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "detach",
    abstract: "Unmount and detach a device.",
    discussion: """
      Refused while something holds the device. With --force, those who hold it get I/O errors; \
      what had to be dropped is told.
      """)

  @OptionGroup var daemon: DaemonOptions
  @Argument(
    help: "A name, nbdN, /dev/nbdN or a mount point.", completion: DeviceNames.completion)
  var target: String
  @Flag(help: "Also if the device is in use or its server does not answer.")
  var force = false

  @Flag(help: "Print JSON.")
  var json = false

  mutating func run() throws {
    let client = try daemon.client()
    let name = try client.name(for: target)
    var parameters = DetachParameters()
    // nbdd knows a device by its node before Status shows the node.
    if name.hasPrefix("/dev/") { parameters.device = name } else { parameters.name = name }
    parameters.force = force ? true : nil
    let response = try client.call(ControlMethod.detach, parameters)
    if json { return try put(response.document) }
    let result = try response.value()
    if !result.changed { Terminal.note("\(target) is not attached") }
    for note in result.notes { Terminal.note(note) }
  }
}
