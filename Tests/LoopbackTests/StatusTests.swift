// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
internal import Linux
internal import Testing
internal import TestSupport
internal import Varlink

/// `nbdctl status` against a real daemon, and what nbdctl says when there is none.
struct StatusTests {
  @Test func `shows that there are no devices`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace)
      let table = try daemon.nbdctl("status")
      #expect(table.status == 0)
      #expect(table.output == "no devices\n")
      let document = try json(try daemon.nbdctl("status", "--json"))
      #expect(document == ["formatVersion": 1, "devices": []])
    }
  }

  @Test func `shows several devices`() throws {
    try Workspace.run { workspace in
      let quiet = Daemon.device("nbd://server.invalid/disk", 9000, "autoAttach: false")
      let refused = Daemon.device("nbd+unix:///?socket=\(workspace.file("none"))", 9001)
      let daemon = try Daemon(in: workspace, ["quiet": quiet, "refused": refused])
      _ = try daemon.awaitFailure(of: "refused")
      let table = try daemon.nbdctl("status")
      #expect(table.status == 0)
      let lines = table.output.split(separator: "\n").map { $0.split(separator: " ") }
      #expect(lines.map(\.first) == ["NAME", "quiet", "refused"])
      #expect(lines[1][1] == "detached")
      #expect(lines[2].joined(separator: " ").contains("there is no such socket"))
    }
  }

  @Test func `prints JSON that keeps to the interface`() throws {
    try Workspace.run { workspace in
      let full = """
        "autoAttach": false, "readOnly": true, "connectTimeout": "250ms", "readAhead": "1MiB",
        "mount": { "path": "/srv/full", "type": "ext4", "options": ["noatime"], "check": true },
        """
      let refused = Daemon.device("nbd+unix:///?socket=\(workspace.file("none"))", 9001)
      let daemon = try Daemon(
        in: workspace,
        ["full": Daemon.device("nbd://server.invalid/disk", 9000, full), "refused": refused])
      _ = try daemon.awaitFailure(of: "refused")
      let document = try json(try daemon.nbdctl("status", "--json"))
      #expect(document.members?.map(\.name) == ["formatVersion", "devices"])
      #expect(document["formatVersion"] == 1)
      let devices = try #require(document["devices"]?.array)
      #expect(devices.map { $0["context"]?["name"]?.string } == ["full", "refused"])
      let interface = try Interface(parsing: ControlInterface.text)
      #expect(interface.problems(inReply: ["devices": JSON(devices)], of: "Status").isEmpty)

      let context = devices[0]["context"]
      #expect(context?["connectTimeout"] == "250ms")
      #expect(context?["mount"]?["options"] == ["noatime"])
      #expect(devices[0]["runtime"]?["source"]?.string == workspace.file("etc/devices.d/full.json"))
      #expect(devices[0]["runtime"]?["mount"] == ["path": "/srv/full", "mounted": false])

      // One device alone says the same of what does not change.
      let alone = try daemon.nbdctl("status", "--json", "full")
      #expect(alone.status == 3)
      #expect(
        try JSON(parsing: Array(alone.output.utf8), dialect: .strict)["devices"]?[0] == devices[0])
    }
  }

  @Test func `tells by its exit status how a device is`() throws {
    try Workspace.run { workspace in
      let quiet = Daemon.device("nbd://server.invalid/disk", 9000, "autoAttach: false")
      let daemon = try Daemon(in: workspace, ["quiet": quiet])
      let known = try daemon.nbdctl("status", "quiet")
      #expect(known.status == 3)
      #expect(known.output.contains("state: detached\n"))
      #expect(known.output.contains("uri: nbd://server.invalid:10809/disk\n"))
      let unknown = try daemon.nbdctl("status", "loud")
      #expect(unknown.status == 4)
      #expect(unknown.errors == "nbdctl: there is no device loud\n")
    }
  }

  @Test(arguments: ["status", "reload", "watch", "attach=x", "detach=x"])
  func `tells that nbdd cannot be reached`(_ command: String) throws {
    try Workspace.run { workspace in
      let socket = workspace.file("none")
      let words = command.split(separator: "=").map(String.init)
      let program = try workspace.start([builtProgram("nbdctl")] + words + ["--socket", socket])
      #expect(try program.wait() == 69)
      #expect(program.errors.contains("\(socket): No such file or directory; is nbdd running?"))
      #expect(program.output.isEmpty)
    }
  }

  @Test(
    arguments: [
      ["--bogus"], ["status", "--bogus"], ["attach"], ["detach"], ["bogus", "x"],
      ["attach", "name", "--read-only"], ["attach", "nbd://[::1/"],
    ])
  func `refuses a wrong command line`(_ arguments: [String]) throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace)
      let program = try daemon.start(arguments)
      #expect(try program.wait() == 64)
      #expect(!program.errors.isEmpty && program.output.isEmpty)
    }
  }

  private func json(_ outcome: Daemon.Outcome) throws -> JSON {
    #expect(outcome.status == 0, "\(outcome)")
    return try JSON(parsing: Array(outcome.output.utf8), dialect: .strict)
  }
}

extension JSON {
  /// An element of an array; nil if there is none.
  subscript(index: Int) -> JSON? {
    array.flatMap { $0.indices.contains(index) ? $0[index] : nil }
  }
}
