// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Base
internal import Kernel
internal import Varlink

/// `nbdctl watch`.
struct WatchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Print the present state, then every change, until interrupted.")

  @OptionGroup var connecting: Connecting
  @Argument(help: "Name of a device; all if left out.")
  var name: String?
  @Flag(help: "Print one JSON object a line.")
  var json = false

  mutating func run() throws {
    let json = json
    try connecting.client().follow("Watch", .object(["name": name.map { JSON($0) }])) { event in
      if let line = json ? event.text : Self.line(event).map({ shown($0) }) {
        print("\(line)\n", to: 1)
      }
    }
  }

  private static func line(_ event: JSON) -> String? {
    let name = event["name"]?.string ?? ""
    let runtime = event["device"]?["runtime"]
    switch event["event"]?.string {
    case "synced": return nil
    case "removed": return "\(name): removed"
    case "dropped": return "(some changes were not shown)"
    default:
      return "\(name): \(runtime?["state"]?.string ?? "?"): \(runtime?["message"]?.string ?? "")"
    }
  }
}
