// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
@testable import Linux
internal import Testing
internal import TestSupport

/// nbdd as a process: how it starts and how it ends.
struct ProcessTests {
  @Test(arguments: [SIGTERM, SIGINT])
  func `ends in order and removes its socket`(_ signal: CInt) throws {
    try Workspace.run { workspace in
      let silent = "nbd+unix:///?socket=\(try workspace.responder(""))"
      let refused = "nbd+unix:///?socket=\(workspace.file("none"))"
      let daemon = try Daemon(
        in: workspace,
        [
          "silent": Daemon.device(silent, 9000, "negotiationTimeout: \"1h\""),
          "refused": Daemon.device(refused, 9001),
        ])
      _ = try daemon.awaitFailure(of: "refused")
      try eventually("the attempt") { (try? daemon.state("silent")) == "connecting" }
      let idle = try daemon.connect()
      daemon.program.send(signal)
      #expect(try daemon.program.wait() == 0, "\(daemon.program.errors)")
      #expect(unsafe access(daemon.socket, F_OK) != 0)
      #expect(try idle.isClosed())
    }
  }

  @Test func `refuses a socket at which another answers`() throws {
    try Workspace.run { workspace in
      let first = try Daemon(in: workspace)
      let second = try Daemon(configuredIn: workspace)
      #expect(try second.program.wait() == 1)
      #expect(second.program.errors.contains("\(first.socket): Address already in use"))
      #expect(second.program.errors.contains("another nbdd is already listening there"))
      #expect(try first.nbdctl("status").status == 0)
    }
  }

  @Test func `replaces a socket at which nobody answers`() throws {
    try Workspace.run { workspace in
      // Closed at once, but its file stays.
      _ = try ControlSocket.listen(at: workspace.file("org.nbdd"), group: nil)
      try #require(unsafe access(workspace.file("org.nbdd"), F_OK) == 0)
      #expect(try Daemon(in: workspace).nbdctl("status").status == 0)
    }
  }

  @Test func `refuses an argument that it does not know`() throws {
    try Workspace.run { workspace in
      for arguments in [["--bogus"], ["extra"], ["--config"], ["--socket="]] {
        let program = try workspace.start([builtProgram("nbdd")] + arguments)
        #expect(try program.wait() == 64)
        #expect(program.errors.hasPrefix("nbdd: "))
        #expect(program.errors.contains("Usage: nbdd "))
      }
    }
  }

  @Test(.enabled(if: Tool.isRoot, "only root can take /proc away"))
  func `takes its arguments where there is no proc`() throws {
    try Workspace.run { workspace in
      let run = { (arguments: [String]) in
        let script = "umount -l /proc && exec \"$@\""
        let program = try workspace.start(
          ["unshare", "-m", "sh", "-c", script, "sh"] + arguments,
          environment: ["NBDD_SOCKET": workspace.file("none")])
        return (try program.wait(), program.output, program.errors)
      }
      if try run(["true"]).0 != 0 { try Test.cancel("/proc cannot be taken away here") }
      let (status, output, _) = try run([builtProgram("nbdd"), "--version"])
      #expect(status == 0)
      #expect(output.hasPrefix("nbdd "))
      #expect(try run([builtProgram("nbdd"), "--bogus"]).0 == 64)
      #expect(try run([builtProgram("nbdctl"), "--version"]).1 == output.dropFirst("nbdd ".count))
      let detached = try run([builtProgram("nbdctl"), "detach"])
      #expect(detached.0 == 64, "\(detached)")
    }
  }

  @Test func `checks a configuration without running`() throws {
    try Workspace.run { workspace in
      let check = {
        try workspace.start([builtProgram("nbdd"), "--check", "--config", workspace.file("etc")])
      }
      try Daemon.declare("a", Daemon.device("nbd://a.invalid/", 9000), in: workspace)
      let sound = try check()
      #expect(try sound.wait() == 0)
      #expect(sound.output == "\(workspace.file("etc")): 1 device, no faults\n")

      try workspace.write("{ defaults: { connectTimeout: 3 },\n  colour: 1 }", to: "etc/nbdd.json")
      try Daemon.declare("b", Daemon.device("nbd://b.invalid/", 9000), in: workspace)
      try Daemon.declare("c", "{\n  uri: \"nbd://c.invalid/\"\n  readOnly: true }", in: workspace)
      try Daemon.declare("d", "{ readOnly: \"yes\" }", in: workspace)
      let faulty = try check()
      #expect(try faulty.wait() == 78)
      #expect(faulty.output.isEmpty)
      let directory = workspace.file("etc")
      for words in [
        "\(directory)/nbdd.json:1:31: defaults.connectTimeout is an integer; expected a duration",
        "\(directory)/nbdd.json:2:3: unknown key \"colour\"",
        "\(directory)/devices.d/b.json:1:40: device: /dev/nbd9000 is taken by "
          + "\(directory)/devices.d/a.json already",
        "\(directory)/devices.d/c.json:3:3: ",
        "\(directory)/devices.d/d.json:1:1: uri is missing",
        "\(directory)/devices.d/d.json:1:13: readOnly is \"yes\"; expected true or false",
      ] {
        #expect(faulty.errors.contains(words))
      }
      #expect(faulty.errors.split(separator: "\n").count == 6)
    }
  }

  @Test(
    .enabled(
      if: Tool.socketActivate.isInstalled,
      "systemd-socket-activate is not installed: apt-get install systemd"))
  func `takes the socket that systemd made, and leaves it`() throws {
    try Workspace.run { workspace in
      let path = workspace.file("given")
      let activate = try #require(Tool.socketActivate.path)
      let program = try Daemon(configuredIn: workspace, through: [activate, "-l", path]).program
      let run = { (arguments: [String]) in
        try workspace.start(
          [builtProgram("nbdctl")] + arguments, environment: ["NBDD_SOCKET": path])
      }
      try eventually("the socket") { unsafe access(path, F_OK) == 0 }
      #expect(try run(["status"]).wait() == 0)
      // The path that it was told is of no use then.
      #expect(unsafe access(workspace.file("org.nbdd"), F_OK) != 0)
      program.send(SIGTERM)
      #expect(try program.wait() == 0)
      #expect(unsafe access(path, F_OK) == 0)
    }
  }
}
