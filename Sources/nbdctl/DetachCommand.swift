// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Kernel
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

  @OptionGroup var connecting: Connecting
  @Argument(help: "A name, or /dev/nbdN.")
  var target: String
  @Flag(help: "Also if the device is in use or its server does not answer.")
  var force = false

  mutating func run() throws {
    let key = target.hasPrefix("/dev/") ? "device" : "name"
    let reply = try connecting.client().call(
      "Detach", .object([key: JSON(target), "force": force ? true : nil]))
    if reply["changed"]?.bool == false { Terminal.note("\(target) is not attached") }
    for note in reply["notes"]?.array ?? [] { Terminal.note(note.string ?? "") }
  }
}
