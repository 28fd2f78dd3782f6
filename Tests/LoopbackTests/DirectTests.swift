// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import NBD
internal import Testing
internal import TestSupport
internal import Varlink

/// The commands that talk to a server without the daemon.
struct DirectTests {
  static let missing: Comment = "nbdkit is not installed: apt-get install nbdkit"
  static let noNbdServer: Comment = "nbd-server is not installed: apt-get install nbd-server"
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
      let report = try JSON(parsing: Array(outcome.output.utf8), dialect: .strict)
      let exports = report["exports"]?.array
      #expect(exports?.map { $0["name"]?.string } == ["one", "two"])
      // It tells the size only of what is attached to.
      #expect(exports?.map { $0["export"]?["sizeBytes"]?.integer } == [1 << 20, 1 << 20])
      let one = try #require(exports?.first?["uri"]?.string)
      #expect(try nbdctl(["info", "--size", one], workspace).output == "1048576\n")
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
      let uri = server.uri.replacing("///", with: "///disk")
      #expect(outcome.output.contains("disk  1 MiB  writable  \(uri)  all of it\n"))
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, missing))
  func `gives a URI for each export, which leads to it`() throws {
    try Workspace.run { workspace in
      let names = ["plain", "a b", "ü?x=1&y#z%41", "/dir//file", "'$(id)'\"", "\u{1b}[31m"]
      let server = try Server.nbdkit(
        ["--filter=exportname", "null", "size=1M", "exportname-list=explicit"]
          + ["exportname-strict=true"] + names.map { "exportname=\($0)" }, in: workspace)
      let listed = try nbdctl(["list", server.uri, "--json"], workspace).output
      let exports =
        try JSON(parsing: Array(listed.utf8), dialect: .strict)["exports"]?.array ?? []
      let uris = exports.compactMap { $0["uri"]?.string }
      #expect(uris.count == names.count)
      // No blank, and nothing that a shell takes for itself within quotes.
      #expect(uris.allSatisfy { $0.allSatisfy { $0.isASCII && !" \"'\\$`\u{1b}".contains($0) } })
      var told: Set<String> = []
      for uri in uris {
        let outcome = try nbdctl(["info", uri, "--json", "--no-content"], workspace)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try JSON(parsing: Array(outcome.output.utf8), dialect: .strict)
        #expect(report["uri"]?.string == uri)
        told.insert(report["name"]?.string ?? "")
      }
      #expect(told.isSuperset(of: names))
    }
  }

  @Test(
    .enabled(if: Tool.nbdkit.isInstalled, missing),
    arguments: [
      ("--is", "read-only", false), ("--can", "write", true), ("--can", "flush", true),
      ("--can", "multi-conn", true), ("--is", "rotational", false), ("--is", "tls", false),
      ("--can", "structured-reply", true), ("--can", "fua", true), ("--can", "connect", true),
      ("--can", "read", true), ("--can", "df", true), ("--can", "trim", true),
      ("--can", "zero", true), ("--can", "cache", true), ("--can", "fast-zero", true),
    ])
  func `answers with its exit status`(
    _ option: String, _ property: String, _ answer: Bool
  ) throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("memory", "1M", in: workspace)
      let outcome = try nbdctl(["info", option, property, server.uri], workspace)
      #expect(outcome.status == (answer ? 0 : 2))
      #expect(outcome.output + outcome.errors == "")
    }
    try Workspace.run { workspace in
      let server = try Server.nbdkit(
        "-r", "--no-sr", "--filter=multi-conn", "--filter=nocache", "null", "size=1M",
        "multi-conn-mode=disable", "cachemode=none", in: workspace)
      let outcome = try nbdctl(["info", option, property, server.uri], workspace)
      let isSo = ["read-only", "connect", "read", "flush"].contains(property)
      #expect(outcome.status == (isSo ? 0 : 2))
    }
  }

  @Test(
    arguments: [
      ["--is", "flush"], ["--can", "read-only"], ["--size", "--json"],
      ["--is", "tls", "--can", "read"],
    ])
  func `is not asked two things, or what nobody knows`(_ options: [String]) throws {
    try Workspace.run { workspace in
      let question = ["info", "nbd://127.0.0.1:1/"]
      let senseless = try nbdctl(question + options, workspace)
      #expect(senseless.status == 64)
      // No answer is not "no".
      let open = try nbdctl(question + ["--is", "tls"], workspace)
      #expect(open.status == 69)
    }
  }

  @Test(
    .enabled(if: Tool.nbdkit.isInstalled, missing),
    .enabled(if: Tool.file.isInstalled, "file is not installed: apt-get install file"))
  func `says what an export contains, if file can tell`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("data", "0x1f 0x8b 8 0", "size=1M", in: workspace)
      let told = try nbdctl(["info", server.uri], workspace)
      #expect(told.output.contains("\n       content: gzip compressed data"), "\(told.output)")
      let json = try nbdctl(["info", server.uri, "--json"], workspace).output
      let content = try JSON(parsing: Array(json.utf8), dialect: .strict)["content"]?.string
      #expect(content?.hasPrefix("gzip compressed data") == true)
      let silent = try nbdctl(["info", server.uri, "--no-content"], workspace)
      #expect(!silent.output.contains("content"))
      // Without that program nothing is missed.
      let program = try workspace.start(
        [builtProgram("nbdctl"), "info", server.uri], environment: ["PATH": workspace.path])
      #expect(try program.wait() == 0)
      #expect(program.output.contains("size: 1 MiB") && !program.output.contains("content"))
      #expect(program.errors == "")
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, missing))
  func `tells about an export whose content cannot be read`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit(
        "--filter=error", "memory", "1M", "error-pread=EIO", "error-pread-rate=100%",
        in: workspace)
      let told = try nbdctl(["info", server.uri], workspace)
      #expect(told.status == 0)
      #expect(told.output.contains("size: 1 MiB"))
      #expect(told.errors.hasPrefix("nbdctl: cannot find out what the export contains: "))
    }
  }

  @Test(
    arguments: [
      (["info", "nbd://127.0.0.1:1/"], 69, "connect: 127.0.0.1:1: connection refused"),
      (["list", "nbd://nonexistent.invalid/"], 69, "connect: cannot resolve"),
      (["info", "http://x/"], 64, "the scheme has to be"),
      (["info", "nbd://x/", "--timeout", "soon"], 64, "--timeout soon: a time is"),
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
  let program = try workspace.start([builtProgram("nbdctl")] + arguments)
  let status = try program.wait()
  return Outcome(status: status, output: program.output, errors: program.errors)
}
