// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import Testing

/// The commands with servers that speak TLS, where both sides agree.
@Suite(.needsSecureServers) struct SecureTests {
  // Rows: N-054
  @Test func `verifies the server by the name in the URI, for every command`() throws {
    try Workspace.run { workspace in
      try Certificates.make(in: workspace)
      let server = try Server.nbdkit(showing: Certificates.good, in: workspace)
      let uri = server.securedURI("&tls-hostname=good.example")
      let trust = ["--tls-certificates", workspace.file("trust")]
      let told = try nbdctl(["info", uri] + trust, workspace)
      #expect(told.status == 0, "\(told.errors)")
      #expect(told.output.contains("encryption: TLS 1.3"))
      #expect(try nbdctl(["list", uri] + trust, workspace).status == 0)
      #expect(try nbdctl(["map", uri] + trust, workspace).status == 0)
      let copy = workspace.file("copy")
      #expect(try nbdctl(["read", uri, "--output", copy] + trust, workspace).status == 0)
      #expect(try File.bytes(of: copy).count == 1 << 20)
    }
  }

  @Test(arguments: [false, true], ["1.2", "1.3"])
  func `shows its own certificate to a server that demands one`(
    isQEMU: Bool, version: String
  ) throws {
    if isQEMU, !Tool.qemu.isInstalled { try Test.cancel(DirectTests.noQemu) }
    try Workspace.run { workspace in
      try Certificates.make(in: workspace)
      let server =
        try isQEMU
        ? Server.qemu(securedBy: "verify-peer=on", in: workspace)
        : Server.nbdkit(showing: Certificates.good, "--tls-verify-peer", in: workspace)
      let told = try nbdctl(
        [
          "info", server.securedURI("&tls-hostname=good.example"),
          "--tls-certificates", workspace.file("client"), "--tls-priority", only(version),
        ], workspace)
      #expect(told.status == 0, "\(told.errors)")
      #expect(told.output.contains("encryption: TLS \(version)"))
    }
  }

  @Test(.enabled(if: Tool.qemu.isInstalled, DirectTests.noQemu), arguments: ["1.2", "1.3"])
  func `takes the one version that a server has`(version: String) throws {
    try Workspace.run { workspace in
      try Certificates.make(in: workspace)
      let server = try Server.qemu(
        securedBy: "verify-peer=off,priority=\(only(version))", in: workspace)
      let told = try nbdctl(
        [
          "info", server.securedURI("&tls-hostname=good.example"),
          "--tls-certificates", workspace.file("trust"),
        ], workspace)
      #expect(told.status == 0, "\(told.errors)")
      #expect(told.output.contains("encryption: TLS \(version)"))
    }
  }

  @Test(arguments: ["1.2", "1.3"])
  func `agrees on a pre-shared key`(version: String) throws {
    try Workspace.run { workspace in
      let server = try Server.requiringTLS(in: workspace)
      unsafe chmod(workspace.file("psk"), 0o600)
      let told = try nbdctl(
        [
          "info", server.securedURI(), "--tls-psk-file", workspace.file("psk"),
          "--tls-priority", only(version),
        ], workspace)
      #expect(told.status == 0, "\(told.errors)")
      #expect(told.output.contains("encryption: TLS \(version)"))
    }
  }
}

/// The priority string for one version of TLS.
func only(_ version: String) -> String { "NORMAL:-VERS-ALL:+VERS-TLS\(version)" }

extension Trait where Self == ConditionTrait {
  /// What every test with a server that speaks TLS needs.
  static var needsSecureServers: Self {
    .enabled(
      if: Tool.nbdkit.isInstalled && Tool.openssl.isInstalled,
      "needs nbdkit and openssl: apt-get install nbdkit openssl")
  }
}
