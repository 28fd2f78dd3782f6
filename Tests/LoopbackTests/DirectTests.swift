// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Kernel
internal import NBD
internal import Testing
internal import Varlink

/// The commands that talk to a server without the daemon.
struct DirectTests {
  static let missing: Comment = "nbdkit is not installed: apt-get install nbdkit"
  static let noQemu: Comment = "qemu-nbd is not installed: apt-get install qemu-utils"

  @Test(.enabled(if: Tool.nbdkit.isInstalled, missing), arguments: ["127.0.0.1", "::1"])
  func `tells about an export over TCP`(_ host: String) throws {
    if host == "::1", !Tool.hasIPv6 { try Test.cancel("there is no ::1 on this machine") }
    try Workspace.run { workspace in
      let server = try Server.nbdkit(onTCP: host, in: workspace)
      let outcome = try nbdctl(["info", server.uri, "--json"], workspace)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let report = try JSON(parsing: Array(outcome.output.utf8), dialect: .strict)
      #expect(report["export"]?["sizeBytes"]?.integer == 1 << 20)
      #expect(report["server"]?.string == server.address.description)
      #expect(report["handshake"]?.string == "fixed newstyle")
      let text = try nbdctl(["info", server.uri], workspace).output
      #expect(text.contains("size: 1 MiB (1048576 bytes)\n"))
      #expect(text.contains("encryption: none\n"))
    }
  }

  @Test(
    .enabled(
      if: Tool.nbdServer.isInstalled, "nbd-server is not installed: apt-get install nbd-server"))
  func `lists the exports of nbd-server`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdServer(exports: ["one", "two"], in: workspace)
      let outcome = try nbdctl(["list", server.uri, "--json"], workspace)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let names = try JSON(parsing: Array(outcome.output.utf8), dialect: .strict)["exports"]?.array?
        .map { $0["name"]?.string }
      #expect(names == ["one", "two"])
      let lines = try nbdctl(["list", server.uri], workspace).output.split(separator: "\n")
      #expect(lines.count == 3)
      #expect(lines.first?.hasPrefix("NAME") == true)
    }
  }

  @Test(.enabled(if: Tool.qemu.isInstalled, noQemu))
  func `lists the export of qemu-nbd with its description`() throws {
    try Workspace.run { workspace in
      let server = try Server.qemu("-x", "disk", "-D", "all of it", in: workspace)
      let outcome = try nbdctl(["list", server.uri], workspace)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains("disk  1 MiB  writable  all of it\n"))
    }
  }

  @Test(
    arguments: [
      (["info", "nbd://127.0.0.1:1/"], 69, "connect: 127.0.0.1:1: connection refused"),
      (["list", "nbd://nonexistent.invalid/"], 69, "connect: cannot resolve"),
      (["info", "http://x/"], 64, "the scheme has to be"),
      (["info", "nbd://x/", "--timeout", "soon"], 64, "--timeout is a time"),
      (["read", "nbds+unix:///?socket=/nonexistent"], 64, "tls-hostname=NAME"),
    ])
  func `says why there is no answer`(
    _ arguments: [String], _ status: Int, _ words: String
  ) throws {
    try Workspace.run { workspace in
      let outcome = try nbdctl(arguments, workspace)
      #expect(outcome.status == status)
      #expect(outcome.errors.hasPrefix("nbdctl: "))
      #expect(outcome.errors.contains(words), "\(outcome.errors)")
    }
  }

  @Test func `gives up at the deadline, and names a peer that is no server`() throws {
    try Workspace.run { workspace in
      let silent = try workspace.responder("")
      let late = try nbdctl(
        ["list", "nbd+unix:///?socket=\(silent)", "--timeout", "200ms"], workspace)
      #expect(late.status == 75)
      #expect(late.errors.contains("greeting: waited"))
      let other = try workspace.responder("HTTP/1.1 400 Bad Request\r\n\r\n")
      let foreign = try nbdctl(["info", "nbd+unix:///?socket=\(other)"], workspace)
      #expect(foreign.status == 76)
      #expect(foreign.errors.contains("greeting:"))
    }
  }

  @Test(.enabled(if: Tool.qemu.isInstalled, noQemu))
  func `names the exports there are in place of the one asked for`() throws {
    try Workspace.run { workspace in
      let server = try Server.qemu("-x", "disk", in: workspace)
      let outcome = try nbdctl(["info", server.uri], workspace)
      #expect(outcome.status == 1)
      #expect(outcome.errors.contains("it has: 'disk'"))
    }
  }
}

/// How a run of nbdctl ended, and what it wrote.
struct Outcome {
  let status: Int
  let output: String
  let errors: String
}

/// Runs nbdctl to its end.
func nbdctl(_ arguments: [String], _ workspace: Workspace) throws -> Outcome {
  let program = try workspace.start([Tool.built("nbdctl")] + arguments)
  let status = try program.wait()
  return Outcome(status: status, output: program.output, errors: program.errors)
}
