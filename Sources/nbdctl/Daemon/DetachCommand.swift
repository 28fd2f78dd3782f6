// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Linux
internal import Varlink

/// `nbdctl detach`.
struct DetachCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "detach",
    abstract: "Unmount and detach a device.",
    discussion: """
      Refused while something holds the device. With --force, those who hold it get I/O errors; \
      what had to be dropped is told.
      """)

  @OptionGroup var connecting: DaemonOptions
  @Argument(
    help: "A name, nbdN, /dev/nbdN or a mount point.", completion: DeviceNames.completion)
  var target: String
  @Flag(help: "Also if the device is in use or its server does not answer.")
  var force = false

  @Flag(help: "Print JSON.")
  var json = false

  mutating func run() throws {
    let client = try connecting.client()
    let name = try client.name(for: target)
    // What is not in use yet has no path that Status tells, but nbdd knows it.
    let key = name.hasPrefix("/dev/") ? "device" : "name"
    let reply = try client.call(
      "Detach", .object([key: JSON(name), "force": force ? true : nil]))
    if json { return try put(reply.document) }
    if reply["changed"]?.bool == false { Terminal.note("\(target) is not attached") }
    for note in reply["notes"]?.array ?? [] { Terminal.note(note.string ?? "") }
  }
}
