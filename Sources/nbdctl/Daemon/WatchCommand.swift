// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Base
internal import ControlAPI
internal import Linux
internal import Varlink

/// `nbdctl watch`.
struct WatchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Print the current state, then every change, until interrupted.",
    discussion: """
      A line has the time, the name, the state and a message. Attempts that fail like the one before \
      are left out; --json prints every event.
      """)

  @OptionGroup var daemon: DaemonOptions
  @Argument(
    help: ArgumentHelp(
      "A name, nbdN, /dev/nbdN or a mount point (default: all devices).", valueName: "NAME"),
    completion: DeviceNames.completion)
  var name: String?
  @Flag(help: "Print one JSON object per line.")
  var json = false

  mutating func run() throws {
    let client = try daemon.client()
    let name = try name.map { name throws(Failure) in try client.name(for: name) }
    let json = json
    var log = WatchLog()
    try client.follow(ControlMethod.watch, WatchParameters(name: name)) {
      response throws(Failure) in
      if json { return try put("\(Self.timed(response.json).text)\n") }
      for line in log.lines(for: try response.value()) {
        try Terminal.line("\(HumanReadable.moment(Clocks.realtime)) \(line)")
      }
    }
  }

  /// Returns the event with the time at which it came.
  private static func timed(_ event: JSON) -> JSON {
    let time = JSON.Member(name: "realtimeUSec", value: JSON(Clocks.realtime))
    return JSON(.object((event.members ?? []) + [time]))
  }
}
