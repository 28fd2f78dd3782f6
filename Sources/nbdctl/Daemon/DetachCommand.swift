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
      Fails while something holds the device. With --force, whatever holds it gets I/O errors, and \
      nbdctl reports which writes were dropped.
      """)

  @OptionGroup var daemon: DaemonOptions
  @Argument(
    help: ArgumentHelp("A name, nbdN, /dev/nbdN or a mount point.", valueName: "NAME"),
    completion: DeviceNames.completion)
  var target: String
  @Flag(help: "Detach even if the device is in use or its server does not respond.")
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
