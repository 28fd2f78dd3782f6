// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD
internal import Testing

/// Negotiation with the servers that people use, over real sockets.
struct NegotiationTests {
  static let missing: Comment = "nbdkit is not installed: apt-get install nbdkit"
  static let mebibyte: UInt64 = 1 << 20

  @Test(.enabled(if: Tool.nbdkit.isInstalled, missing), arguments: ["127.0.0.1", "::1"])
  func `agrees with nbdkit over TCP`(_ host: String) throws {
    if host == "::1", !Tool.hasIPv6 { try Test.cancel("there is no ::1 on this machine") }
    try Workspace.run { workspace in
      let result = try Server.nbdkit(onTCP: host, in: workspace).negotiate()
      #expect(result.export.sizeBytes == Self.mebibyte)
      #expect(result.handshake == .fixedNewstyle)
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, missing))
  func `agrees with nbdkit over a UNIX socket`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("memory", "3M", in: workspace)
      let result = try server.negotiate()
      #expect(result.export.sizeBytes == 3 * Self.mebibyte)
      #expect(result.export.name == "")
      #expect(result.handshake == .fixedNewstyle)
      let flags = result.export.flags
      #expect(flags.isSuperset(of: [.hasFlags, .sendFlush, .sendFUA, .sendTrim, .canMultiConn]))
      #expect(!flags.contains(.readOnly))
      #expect(result.notes.isEmpty)
    }
  }

  @Test(
    .enabled(if: Tool.nbdkit.isInstalled, missing),
    .enabled(
      if: Tool.socketActivate.isInstalled,
      "systemd-socket-activate is not installed: apt-get install systemd"))
  func `agrees with nbdkit over an abstract UNIX socket`() throws {
    try Workspace.run { workspace in
      let name = workspace.path.split(separator: "/").last.map(String.init) ?? ""
      let server = try Server.nbdkit(onAbstract: name, in: workspace)
      let result = try eventually("the abstract socket") { try? server.negotiate() }
      #expect(result.export.sizeBytes == Self.mebibyte)
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, missing))
  func `agrees with an oldstyle server`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("-o", "null", "size=1M", in: workspace)
      let result = try server.negotiate()
      #expect(result.export.sizeBytes == Self.mebibyte)
      #expect(result.handshake == .oldstyle)
      let error = try #require(throws: NegotiationError.self) { try server.negotiate("disk") }
      #expect(error.reason == .noNamedExports("disk"))
      #expect(error.isPersistent)
    }
  }

  @Test(
    .enabled(if: Tool.nbdkit.isInstalled, missing),
    arguments: [
      (0, HandshakeStyle.newstyle), (1, .fixedNewstyle), (2, .newstyle), (3, .fixedNewstyle),
    ])
  func `keeps to the handshake flags of the server`(_ mask: Int, _ style: HandshakeStyle) throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit(
        "--mask-handshake=\(mask)", "-r", "null", "size=1M", in: workspace)
      let result = try server.negotiate()
      #expect(result.handshake == style)
      #expect(result.export.sizeBytes == Self.mebibyte)
      #expect(result.export.flags.contains(.readOnly))
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, missing))
  func `tells which exports there are in place of a missing one`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit(
        "--filter=exportname", "null", "size=1M", "exportname=alpha", "exportname=beta",
        "exportname-list=explicit", "exportname-strict=true", in: workspace)
      #expect(try server.negotiate("alpha").export.name == "alpha")
      let error = try #require(throws: NegotiationError.self) { try server.negotiate("gamma") }
      guard case .unknownExport("gamma", let available, more: 0) = error.reason else {
        Issue.record("\(error)")
        return
      }
      #expect(available.count == 2)
      #expect(error.description.contains("alpha") && error.description.contains("beta"))
      #expect(!error.isPersistent)
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, missing))
  func `takes the block sizes that the server asks for`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit(
        "--filter=blocksize-policy", "null", "size=1M", "blocksize-minimum=4096",
        "blocksize-preferred=65536", "blocksize-maximum=8M", in: workspace)
      #expect(
        try server.negotiate().export.blockSizes
          == BlockSizes(minimum: 4096, preferred: 65536, maximumPayload: 8 << 20))
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, missing))
  func `tells that the server requires TLS`() throws {
    try Workspace.run { workspace in
      let error = try #require(throws: NegotiationError.self) {
        try Server.requiringTLS(in: workspace).negotiate()
      }
      #expect(error.reason == .refused(.tlsRequired))
      #expect(error.description.contains("the server requires TLS"))
      #expect(error.isPersistent)
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, missing), arguments: ["0", "1", "511", "1T"])
  func `takes a size as it is`(_ size: String) throws {
    try Workspace.run { workspace in
      let expected = UInt64(size) ?? 1 << 40
      let result = try Server.nbdkit("null", "size=\(size)", in: workspace).negotiate()
      #expect(result.export.sizeBytes == expected)
    }
  }

  @Test(
    .enabled(
      if: Tool.nbdServer.isInstalled, "nbd-server is not installed: apt-get install nbd-server"))
  func `agrees with nbd-server`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdServer(
        exports: ["one", "two"], settings: "flush = true\n  fua = true", in: workspace)
      for name in ["one", "two"] {
        let export = try server.negotiate(name).export
        #expect(export.name == name)
        #expect(export.sizeBytes == Self.mebibyte)
        #expect(export.flags.isSuperset(of: [.hasFlags, .sendFlush, .sendFUA]))
        #expect(!export.flags.contains(.readOnly))
      }
      let error = try #require(throws: NegotiationError.self) { try server.negotiate("three") }
      guard case .unknownExport("three", let available, more: 0) = error.reason else {
        Issue.record("\(error)")
        return
      }
      #expect(available.count == 2)
      #expect(error.description.contains("one") && error.description.contains("two"))
    }
  }

  @Test(
    .enabled(
      if: Tool.nbdServer.isInstalled, "nbd-server is not installed: apt-get install nbd-server"))
  func `sees that nbd-server serves read-only`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdServer(
        exports: ["one"], settings: "readonly = true", in: workspace)
      #expect(try server.negotiate("one").export.flags.contains(.readOnly))
    }
  }

  @Test(
    .enabled(if: Tool.qemu.isInstalled, "qemu-nbd is not installed: apt-get install qemu-utils"))
  func `agrees with qemu-nbd`() throws {
    try Workspace.run { workspace in
      let server = try Server.qemu("-x", "disk", "-D", "Über alles", "-r", in: workspace)
      let export = try server.negotiate("disk", details: true).export
      #expect(export.name == "disk")
      #expect(export.canonicalName == nil || export.canonicalName == "disk")
      #expect(export.description == "Über alles")
      #expect(export.sizeBytes == Self.mebibyte)
      #expect(export.flags.isSuperset(of: [.hasFlags, .readOnly]))
      #expect(export.blockSizes?.minimum == 1)
      let error = try #require(throws: NegotiationError.self) { try server.negotiate("other") }
      #expect(error.description.contains("disk"))
    }
  }
}
