// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import TestSupport
internal import Testing

@testable import nbdctl

/// What `--help` prints, and what shells are given, as files in Tests/Golden.
struct GoldenHelpTests {
  @Test func `the help of nbdctl and of its commands`() {
    var text = Nbdctl.helpMessage(columns: 80) + "\n"
    for command in Nbdctl.configuration.subcommands {
      text += "\n" + Nbdctl.helpMessage(for: command, columns: 80)
    }
    #expect(Golden.difference(text, from: "help.txt") == nil)
  }

  @Test func `completions for shells`() {
    for shell in CompletionShell.allCases {
      let script = Nbdctl.completionScript(for: shell)
      #expect(Golden.difference(script, from: "completion.\(shell.rawValue)") == nil)
    }
  }

  @Test func `errors of the parser begin like our own`() {
    let error = #expect(throws: (any Error).self) { try Nbdctl.parseAsRoot(["status", "--odd"]) }
    let message = Nbdctl.named(error.map { Nbdctl.fullMessage(for: $0) } ?? "")
    #expect(message.hasPrefix("nbdctl: Unknown option '--odd'"), "\(message)")
  }
}
