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

  @Test(.enabled(if: Tool.nbdkit.isInstalled, missing))
  func `maps what is data and what is not`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("data", "@65536 1*32768", "size=1M", in: workspace)
      let outcome = try nbdctl(["map", server.uri, "--json"], workspace)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let extents =
        try JSON(parsing: Array(outcome.output.utf8), dialect: .strict)["extents"]?.array ?? []
      #expect(extents.map { $0["offset"]?.integer } == [0, 65536, 98304])
      #expect(extents.map { $0["length"]?.integer } == [65536, 32768, 950_272])
      #expect(extents.map { $0["flags"]?.integer } == [3, 0, 3])
      let text = try nbdctl(["map", server.uri], workspace).output
      #expect(text.contains("\n  65536    32768  data\n"))
      #expect(text.contains("data: 32 KiB (3%)\n"))
      #expect(text.hasSuffix("[····██\(String(repeating: "·", count: 58))]\n"))
      let other = try nbdctl(["map", server.uri, "--context", "x:y"], workspace)
      #expect(other.status == 1)
      #expect(other.errors.contains("does not offer the metadata context x:y"))
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, missing))
  func `reads a sparse export as it is, into a sparse file`() throws {
    try Workspace.run { workspace in
      let image = workspace.file("image")
      let run = { (command: String) in
        try Command.run(["sh", "-c", command], within: .seconds(60)).status
      }
      let made = try run(
        "truncate -s 64M \(image) && "
          + "head -c 3000000 /dev/urandom | dd of=\(image) bs=1M seek=20 conv=notrunc status=none")
      try #require(made == 0)
      let uri = try Server.nbdkit("file", image, in: workspace).uri
      let copy = workspace.file("copy")
      let outcome = try nbdctl(["read", uri, "--output", copy], workspace)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(try run("cmp \(copy) \(image)") == 0)
      #expect(try run("test $(du -k \(copy) | cut -f1) -lt 4000") == 0)
      #expect(try run("\(Tool.built("nbdctl")) read '\(uri)' | cmp - \(image)") == 0)
      let part = ["read", uri, "--offset", "20971525", "--length", "1999", "--output", copy]
      #expect(try nbdctl(part, workspace).status == 0)
      #expect(try run("tail -c +20971526 \(image) | head -c 1999 | cmp - \(copy)") == 0)
      let beyond = ["read", uri, "--offset", "67108864", "--length", "1"]
      #expect(try nbdctl(beyond, workspace).status == 64)
    }
  }

  // Rows: N-012
  @Test(.enabled(if: Tool.nbdkit.isInstalled, missing))
  func `reads through a large number of requests, also where each one is small`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit(
        "--filter=blocksize-policy", "pattern", "size=3M", "blocksize-minimum=4096",
        "blocksize-preferred=4096", "blocksize-maximum=8192", "blocksize-error-policy=error",
        in: workspace)
      let copy = workspace.file("copy")
      let outcome = try nbdctl(
        ["read", server.uri, "--offset", "13", "--length", "3000000", "--output", copy], workspace)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let bytes = try bytes(of: copy)
      #expect(bytes.count == 3_000_000)
      // Every eight bytes are their own offset, most significant byte first.
      let isRight = bytes.indices.allSatisfy { index in
        let place = UInt64(index + 13)
        return bytes[index] == UInt8(truncatingIfNeeded: (place & ~7) >> (56 - 8 * (place & 7)))
      }
      #expect(isRight)
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
