// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Linux
internal import Varlink

/// `nbdctl reload`.
struct ReloadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reload",
    abstract: "Have nbdd read its configuration again.",
    discussion: "Nothing is detached; what waits for the next attach is told.")

  @OptionGroup var connecting: DaemonOptions

  @Flag(help: "Print JSON.")
  var json = false

  mutating func run() throws {
    let client = try connecting.client()
    let reply = try client.call("Reload")
    if json { return try put(reply.document) }
    let deferred = names(reply, "deferred")
    for kind in ["added", "changed", "removed"] {
      for name in names(reply, kind) {
        let rest = deferred.contains(name) ? waiting(name, client) : ""
        try Terminal.line("\(kind): \(name)\(rest)")
      }
    }
  }

  /// What of a device's change is not in force yet.
  private func waiting(_ name: String, _ client: Client) -> String {
    // It may have gone since.
    let status = try? client.call("Status", ["name": JSON(name)])
    let keys = names(status?["devices"]?.array?.first?["runtime"] ?? .null, "pendingKeys")
    return keys.isEmpty
      ? "; takes effect when it is detached"
      : "; from the next attach: \(keys.joined(separator: ", "))"
  }

  private func names(_ reply: JSON, _ kind: String) -> [String] {
    reply[kind]?.array?.compactMap(\.string) ?? []
  }
}
