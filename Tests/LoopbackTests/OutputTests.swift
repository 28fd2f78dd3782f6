// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import Testing
internal import TestSupport
internal import Varlink

/// What nbdctl prints, and what it does if it cannot.
struct OutputTests {
  /// Commands by which things are printed; %U is a server's URI.
  static let commands = [
    "status", "status --json", "status quiet", "watch", "watch --json", "detach quiet --json",
    "reload --json", "list %U", "list %U --json", "info %U", "info %U --json", "map %U",
    "map %U --json", "read %U", "bench %U --seconds 0.1", "bench %U --seconds 0.1 --json",
  ]

  /// What standard output is, and why nothing can be written to it.
  static let places = [
    ("exec \"$@\" >/dev/full", "No space left on device"),
    ("exec \"$@\" >&-", "Bad file descriptor"),
    ("set -o pipefail; { sleep 0.2; \"$@\"; } | true", "Broken pipe"),
  ]

  @Test(arguments: commands)
  func `is an error where it cannot be written`(_ command: String) throws {
    guard Tool.nbdkit.isInstalled else {
      try Test.cancel("nbdkit is not installed: apt-get install nbdkit")
    }
    try Workspace.run { workspace in
      let daemon = try Daemon(
        in: workspace,
        ["quiet": Daemon.device("nbd://quiet.invalid/", 9000, "autoAttach: false")])
      let server = try Server.nbdkit("null", "size=1M", in: workspace)
      let words = command.replacing("%U", with: server.uri).split(separator: " ").map(String.init)
      for (shell, reason) in Self.places {
        let program = try workspace.start(
          ["bash", "-c", shell, "bash", builtProgram("nbdctl")] + words,
          environment: ["NBDD_SOCKET": daemon.socket])
        #expect(try program.wait() == 1, "\(shell)")
        #expect(
          program.errors == "nbdctl: standard output: write: \(reason)\n",
          "\(shell): \(program.errors)")
      }
    }
  }

  @Test func `is a document for programs`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(
        in: workspace,
        ["quiet": Daemon.device("nbd://quiet.invalid/", 9000, "autoAttach: false")])
      let detached = try json(try daemon.nbdctl("detach", "quiet", "--json"))
      #expect(detached == ["formatVersion": 1, "changed": false, "notes": []])
      try Daemon.declare(
        "new", Daemon.device("nbd://new.invalid/", 9001, "autoAttach: false"), in: workspace)
      let reloaded = try json(try daemon.nbdctl("reload", "--json"))
      #expect(
        reloaded == [
          "formatVersion": 1, "added": ["new"], "changed": [], "removed": [], "deferred": [],
        ])
    }
  }

  // There is no kernel device to attach, so somebody else answers in nbdd's place.
  @Test func `is a document for programs when a device is attached`() throws {
    try Workspace.run { workspace in
      let device: JSON = [
        "context": ["name": "db"], "runtime": ["state": "attached", "device": "/dev/nbd0"],
      ]
      for changed in [true, false] {
        let reply = Reply(parameters: ["device": device, "changed": JSON(changed)])
        let socket = try workspace.responder(String(decoding: reply.bytes, as: UTF8.self))
        let program = try workspace.start(
          [builtProgram("nbdctl"), "attach", "db", "--json"], environment: ["NBDD_SOCKET": socket])
        #expect(try program.wait() == 0)
        #expect(program.errors == "")
        let document = try JSON(parsing: Array(program.output.utf8), dialect: .strict)
        #expect(document == ["formatVersion": 1, "device": device, "changed": JSON(changed)])
      }
    }
  }

  @Test func `is a document only of what was done`() throws {
    try Workspace.run { workspace in
      let uri = "nbd+unix:///?socket=\(workspace.file("none"))"
      let daemon = try Daemon(in: workspace)
      let outcome = try daemon.nbdctl(
        "attach", uri, "--name", "new", "--device", "nbd9000", "--json")
      #expect(outcome.status == 69)
      #expect(outcome.output == "")
      #expect(outcome.errors.hasPrefix("nbdctl: new: "))
    }
  }

  @Test func `takes where a device is mounted for its name`() throws {
    try Workspace.run { workspace in
      let path = workspace.file("mounted")
      let mount = "autoAttach: false, mount: { path: \"\(path)\" }"
      let daemon = try Daemon(
        in: workspace,
        [
          "db": Daemon.device("nbd://quiet.invalid/", 9000, mount),
          "nbd7": Daemon.device("nbd://other.invalid/", 9001, "autoAttach: false"),
        ])
      for command in ["status", "reconnect", "fail"] {
        #expect(try daemon.nbdctl(command, path).status == 3)
      }
      #expect(try daemon.nbdctl("status", path).output.contains("name: db\n"))
      #expect(try daemon.nbdctl("detach", path).errors.contains("is not attached"))
      // A name goes first.
      #expect(try daemon.nbdctl("status", "nbd7").output.contains("name: nbd7\n"))
      #expect(try daemon.nbdctl("status", "nbd8").status == 4)
    }
  }

  @Test func `is as wide as the terminal`() throws {
    guard Tool.script.isInstalled else { try Test.cancel("script is not installed") }
    try Workspace.run { workspace in
      let long = "nbd+unix:///?socket=" + workspace.file(String(repeating: "x", count: 60))
      let daemon = try Daemon(in: workspace, ["far": Daemon.device(long)])
      _ = try daemon.awaitFailure(of: "far")
      // A pipe gets all of it.
      #expect(try daemon.nbdctl("status").output.contains(": there is no such socket"))
      let program = try workspace.start(
        [
          "script", "-qec", "stty cols 70; \(builtProgram("nbdctl")) status", "/dev/null",
        ], environment: ["NBDD_SOCKET": daemon.socket, "NO_COLOR": "1"])
      #expect(try program.wait() == 0)
      let lines = program.output.split(separator: "\r\n")
      #expect(lines.count == 2)
      #expect(lines.last?.count == 70)
      #expect(lines.last?.hasSuffix("…") == true)
    }
  }

  @Test func `offers the names of devices to a shell, and nothing without nbdd`() throws {
    try Workspace.run { workspace in
      let quiet = "autoAttach: false"
      let daemon = try Daemon(
        in: workspace,
        [
          "backup": Daemon.device("nbd://a.invalid/", 9000, quiet),
          "db": Daemon.device("nbd://b.invalid/", 9001, quiet),
        ])
      let script = try daemon.nbdctl("--generate-completion-script", "bash")
      #expect(script.status == 0)
      for command in ["status", "attach", "detach", "reconnect", "fail", "watch"] {
        let offer = try complete([command], "", workspace, script.output, daemon.socket)
        #expect(offer.contains("backup") && offer.contains("db"), "\(command): \(offer)")
        let begun = { socket in try complete([command], "ba", workspace, script.output, socket) }
        #expect(try begun(daemon.socket) == ["backup"])
        #expect(try begun("/none") == [])
      }
    }
  }

  @Test func `offers files and directories to a shell where they are to be named`() throws {
    try Workspace.run { workspace in
      try Directory.create(workspace.file("things"))
      try workspace.write("", to: "thing.img")
      let program = try workspace.start([
        builtProgram("nbdctl"), "--generate-completion-script", "bash",
      ])
      #expect(try program.wait() == 0)
      let (file, directory) = (workspace.file("thing.img"), workspace.file("things"))
      for (words, offers) in [
        (["read", "nbd://a/", "--output"], [file, directory]),
        (["read", "nbd://a/", "--tls-psk-file"], [file, directory]),
        (["status", "--socket"], [file, directory]),
        (["info", "nbd://a/", "--tls-certificates"], [directory]),
        (["attach", "nbd://a/", "--mount"], [directory]),
        (["attach", "nbd://a/", "--name"], []),
      ] {
        let offer = try complete(
          words, workspace.file("thing"), workspace, program.output, "/none")
        #expect(offer.sorted() == offers, "\(words)")
      }
    }
  }

  /// What bash offers behind `nbdctl WORDS` for a word that has begun.
  private func complete(
    _ words: [String], _ begun: String, _ workspace: Workspace, _ script: String, _ socket: String
  ) throws -> [String] {
    let line = (["nbdctl"] + words).joined(separator: " ")
    let file = try workspace.write(
      script + """

        nbdctl() { '\(builtProgram("nbdctl"))' "$@"; }
        COMP_WORDS=(\(line) '\(begun)') COMP_CWORD=\(words.count + 1)
        COMP_LINE='\(line) \(begun)' COMP_POINT=${#COMP_LINE}
        _nbdctl nbdctl '\(begun)' '\(words.last ?? "")'
        printf '%s\\n' "${COMPREPLY[@]}"
        """, to: "completion.sh")
    let program = try workspace.start(["bash", file], environment: ["NBDD_SOCKET": socket])
    #expect(try program.wait() == 0)
    #expect(program.errors == "")
    return program.output.split(separator: "\n").map { String($0.filter { $0 != " " }) }
      .filter { !$0.hasPrefix("-") }
  }

  private func json(_ outcome: Daemon.Outcome) throws -> JSON {
    #expect(outcome.status == 0, "\(outcome)")
    return try JSON(parsing: Array(outcome.output.utf8), dialect: .strict)
  }
}
