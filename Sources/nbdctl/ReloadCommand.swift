// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Kernel
internal import Varlink

/// `nbdctl reload`.
struct ReloadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reload",
    abstract: "Have nbdd read its configuration again.",
    discussion: "Nothing attached is touched; what waits for the next attach is told.")

  @OptionGroup var connecting: Connecting

  mutating func run() throws {
    let reply = try connecting.client().call("Reload")
    let deferred = names(reply, "deferred")
    for kind in ["added", "changed", "removed"] {
      for name in names(reply, kind) {
        let rest =
          deferred.contains(name) ? "; takes effect when it is detached (and attached)" : ""
        print("\(kind): \(name)\(rest)\n", to: 1)
      }
    }
  }

  private func names(_ reply: JSON, _ kind: String) -> [String] {
    reply[kind]?.array?.compactMap(\.string) ?? []
  }
}
