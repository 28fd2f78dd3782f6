// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import ControlAPI

/// `nbdctl reload`.
struct ReloadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reload",
    abstract: "Make nbdd read its configuration again.",
    discussion: "Detaches nothing. Reports which changes take effect at the next attach.")

  @OptionGroup var daemon: DaemonOptions

  @Flag(help: "Print JSON.")
  var json = false

  mutating func run() throws {
    let client = try daemon.client()
    let response = try client.call(ControlMethod.reload)
    if json { return try put(response.document) }
    let result = try response.value()
    let kinds = [
      ("added", result.added), ("changed", result.changed), ("removed", result.removed),
    ]
    for (kind, names) in kinds {
      for name in names {
        let rest = result.deferred.contains(name) ? waiting(name, client) : ""
        try Terminal.line("\(kind): \(name)\(rest)")
      }
    }
  }

  /// Which part of a device's change is not in force yet.
  private func waiting(_ name: String, _ client: Client) -> String {
    // It may have been removed since.
    let status = try? client.call(ControlMethod.status, StatusParameters(name: name)).value()
    let keys = status?.devices.first?.runtime.pendingKeys ?? []
    return keys.isEmpty
      ? "; takes effect when it is detached"
      : "; from the next attach: \(keys.joined(separator: ", "))"
  }
}
