// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import Testing
internal import Varlink

/// A configuration that is read again while devices are in use.
struct ReloadTests {
  private static let quiet = "autoAttach: false"

  @Test func `changes nothing when there is a fault`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(
        in: workspace,
        [
          "a": Daemon.device("nbd://a.invalid/", 9000, Self.quiet),
          "b": Daemon.device("nbd://b.invalid/", 9001, Self.quiet),
        ])
      let before = try daemon.nbdctl("status", "--json").output
      try Daemon.declare(
        "a", Daemon.device("nbd://other.invalid/", 9002, Self.quiet), in: workspace)
      try Daemon.declare("b", "{\n  uri: \"nbd://b.invalid/\",\n  colour: 3,\n}\n", in: workspace)
      try Daemon.declare("c", "{ uri: 7 }", in: workspace)
      let outcome = try daemon.nbdctl("reload")
      #expect(outcome.status == 78)
      let directory = workspace.file("etc/devices.d")
      #expect(outcome.errors.contains("\n\(directory)/b.json:3:3: unknown key \"colour\""))
      #expect(outcome.errors.contains("\n\(directory)/c.json:1:8: uri is an integer"))
      #expect(outcome.errors.contains("nothing was changed"))
      #expect(outcome.output.isEmpty)
      #expect(try daemon.nbdctl("status", "--json").output == before)
    }
  }

  @Test func `tells what was added, changed, removed and deferred`() throws {
    try Workspace.run { workspace in
      let socket = try workspace.responder("")
      let silent = { (export: String) in "nbd+unix:///\(export)?socket=\(socket)" }
      let patient = "negotiationTimeout: \"1h\""
      let daemon = try Daemon(
        in: workspace,
        [
          "same": Daemon.device("nbd://same.invalid/", 9000, Self.quiet),
          "changed": Daemon.device("nbd://old.invalid/", 9001, Self.quiet),
          "removed": Daemon.device("nbd://removed.invalid/", 9002, Self.quiet),
          "busy": Daemon.device(silent("busy"), 9003, patient),
          "leaving": Daemon.device(silent("leaving"), 9004, patient),
        ])
      for name in ["busy", "leaving"] {
        try eventually("\(name) to connect") { (try? daemon.state(name)) == "connecting" }
      }
      try Daemon.declare(
        "changed", Daemon.device("nbd://new.invalid/", 9001, Self.quiet), in: workspace)
      try Daemon.declare(
        "busy", Daemon.device(silent("busy"), 9003, "readOnly: true"), in: workspace)
      try Daemon.declare(
        "added", Daemon.device("nbd://added.invalid/", 9005, Self.quiet), in: workspace)
      File.remove(workspace.file("etc/devices.d/removed.json"))
      File.remove(workspace.file("etc/devices.d/leaving.json"))

      let outcome = try daemon.nbdctl("reload")
      #expect(outcome.status == 0)
      #expect(
        outcome.output.split(separator: "\n") == [
          "added: added",
          "changed: busy; from the next attach: negotiationTimeout, readOnly",
          "changed: changed",
          "removed: leaving; takes effect when it is detached",
          "removed: removed",
        ])
      #expect(
        try daemon.nbdctl("status", "busy").output
          .contains("negotiationTimeout, readOnly, from the next attach"))
      #expect(
        try daemon.nbdctl("status", "leaving").output.contains("removed, once it is detached"))
      #expect(try daemon.nbdctl("status", "removed").status == 4)
      #expect(try daemon.nbdctl("status", "changed").output.contains("nbd://new.invalid:10809/"))
      #expect(try daemon.state("added") == "detached")
      for name in ["busy", "leaving"] {
        #expect(try daemon.runtime(name)["pending"]?.bool == true)
        #expect(try daemon.state(name) == "connecting")
      }
      #expect(try daemon.runtime("same")["pending"]?.bool == false)

      // The removed one is forgotten when it is detached.
      #expect(try daemon.nbdctl("detach", "leaving").status == 0)
      #expect(try daemon.nbdctl("status", "leaving").status == 4)
      // A second reload finds nothing to do.
      #expect(try daemon.nbdctl("reload").output.isEmpty)
    }
  }

  @Test func `attaches what was added`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace)
      try Daemon.declare(
        "new", Daemon.device("nbd+unix:///?socket=\(workspace.file("none"))"), in: workspace)
      #expect(try daemon.nbdctl("reload").output == "added: new\n")
      #expect(try daemon.awaitFailure(of: "new")["failure"]?["stage"] == "connect")
    }
  }

  @Test func `reads the configuration again at SIGHUP`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace)
      try Daemon.declare("new", Daemon.device("nbd://a.invalid/", 9000, Self.quiet), in: workspace)
      daemon.program.send(SIGHUP)
      try eventually("the new device") { (try? daemon.state("new")) == "detached" }

      try Daemon.declare("new", "{", in: workspace)
      daemon.program.send(SIGHUP)
      try eventually("the fault in the log") {
        daemon.program.errors.contains("devices.d/new.json:1:")
      }
      #expect(daemon.program.errors.contains("nothing was changed"))
      #expect(try daemon.state("new") == "detached")
    }
  }

  @Test func `starts without the devices whose files have faults`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(
        in: workspace,
        [
          "bad": "{ uri: \"nbd://a.invalid/\", uri: 3 }",
          "good": Daemon.device("nbd://b.invalid/", 9000, Self.quiet),
        ])
      #expect(try daemon.state("good") == "detached")
      #expect(try daemon.nbdctl("status", "bad").status == 4)
      #expect(daemon.program.errors.contains("<3>\(workspace.file("etc/devices.d/bad.json")):1:"))
    }
  }
}
