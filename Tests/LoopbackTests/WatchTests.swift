// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Testing
internal import Varlink

/// `nbdctl watch` beside a real daemon.
struct WatchTests {
  private static let quiet = Daemon.device("nbd://quiet.invalid/", 9000, "autoAttach: false")

  @Test func `knows no device of that name`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace, ["quiet": Self.quiet])
      let outcome = try daemon.nbdctl("watch", "loud")
      #expect(outcome.status == 4)
      #expect(outcome.errors == "nbdctl: there is no device loud\n")
    }
  }

  @Test func `begins each line with the time, and does not repeat attempts that fail alike`() throws
  {
    try Workspace.run { workspace in
      let refused = Daemon.device(
        "nbd+unix:///?socket=\(workspace.file("none"))", 9001, "reconnectDelay: \"100ms\"")
      let daemon = try Daemon(in: workspace, ["quiet": Self.quiet, "refused": refused])
      _ = try daemon.awaitFailure(of: "refused")
      let lines = try daemon.start(["watch", "refused"])
      let events = try daemon.start(["watch", "--json"])
      try eventually("the first line") { !lines.output.isEmpty }
      try eventually("many events") { events.output.count { $0 == "\n" } > 30 }
      // Its state changes once more.
      #expect(try daemon.nbdctl("detach", "refused").status == 0)
      try eventually("the last line") { lines.output.contains("detached") }

      let seen = lines.output.split(separator: "\n")
      #expect(seen.count <= 5, "\(lines.output)")
      let time = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} refused: [a-z]+: .*/
      #expect(seen.allSatisfy { $0.wholeMatch(of: time) != nil }, "\(lines.output)")
      #expect(seen.contains { $0.contains("reconnecting: ") && $0.contains("no such socket") })

      for line in events.output.split(separator: "\n") {
        let event = try JSON(parsing: Array(line.utf8), dialect: .strict)
        #expect(try #require(event["realtimeUSec"]?.integer) > 1_000_000_000_000_000)
      }
    }
  }
}
