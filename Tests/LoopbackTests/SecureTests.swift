// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Connection
internal import Glibc
internal import Kernel
internal import NBD
internal import Testing
internal import Varlink

/// The commands with servers that speak TLS, and what they must refuse.
@Suite(
  .enabled(
    if: Tool.nbdkit.isInstalled && Tool.openssl.isInstalled,
    "needs nbdkit and openssl: apt-get install nbdkit openssl"))
struct SecureTests {
  // Rows: N-054
  @Test func `verifies the server by the name in the URI, for every command`() throws {
    try Workspace.run { workspace in
      try makeCertificates(workspace)
      let uri = try secured(workspace) + "&tls-hostname=good.example"
      let trust = ["--tls-certificates", workspace.file("trust")]
      let told = try nbdctl(["info", uri] + trust, workspace)
      #expect(told.status == 0, "\(told.errors)")
      #expect(told.output.contains("encryption: TLS 1.3"))
      #expect(try nbdctl(["list", uri] + trust, workspace).status == 0)
      #expect(try nbdctl(["map", uri] + trust, workspace).status == 0)
      let copy = workspace.file("copy")
      #expect(try nbdctl(["read", uri, "--output", copy] + trust, workspace).status == 0)
      #expect(try bytes(of: copy).count == 1 << 20)
    }
  }

  @Test func `does not trust the system instead of a directory that is not there`() throws {
    try Workspace.run { workspace in
      try makeCertificates(workspace)
      let outcome = try nbdctl(
        [
          "info", secured(workspace) + "&tls-hostname=good.example", "--tls-certificates",
          workspace.file("slip"),
        ], workspace)
      #expect(outcome.status == 1)
      #expect(outcome.errors.contains("\(workspace.file("slip")): No such file or directory"))
    }
  }

  // Rows: N-054
  @Test(
    arguments: [
      ("&tls-hostname=bad.example", "trust", "expected bad.example"),
      ("&tls-hostname=good.example", "other", "its issuer is not trusted"),
    ])
  func `refuses a wrong name and an unknown CA`(
    _ parameters: String, _ directory: String, _ words: String
  ) throws {
    try Workspace.run { workspace in
      try makeCertificates(workspace)
      let outcome = try nbdctl(
        [
          "info", secured(workspace) + parameters, "--tls-certificates", workspace.file(directory),
        ], workspace)
      #expect(outcome.status == 77)
      #expect(outcome.errors.hasPrefix("nbdctl: TLS handshake: "), "\(outcome.errors)")
      #expect(outcome.errors.contains(words), "\(outcome.errors)")
    }
  }

  @Test func `refuses a certificate that has expired`() throws {
    try Workspace.run { workspace in
      try makeCertificates(workspace, days: "-1")
      let outcome = try nbdctl(
        [
          "list", secured(workspace) + "&tls-hostname=good.example", "--tls-certificates",
          workspace.file("trust"),
        ], workspace)
      #expect(outcome.status == 77)
      #expect(outcome.errors.contains("expired on"), "\(outcome.errors)")
    }
  }

  @Test func `agrees on a pre-shared key, and not without one`() throws {
    try Workspace.run { workspace in
      let server = try Server.requiringTLS(in: workspace)
      let keys = workspace.file("psk")
      unsafe chmod(keys, 0o600)
      let uri = server.uri.replacing("nbd+unix", with: "nbds+unix")
      let told = try nbdctl(["info", uri, "--tls-psk-file", keys], workspace)
      #expect(told.status == 0, "\(told.errors)")
      let inTheClear = try nbdctl(["info", server.uri], workspace)
      #expect(inTheClear.status == 77, "\(inTheClear.errors)")
      let wrong = try workspace.write("nbdd:\(String(repeating: "77", count: 32))\n", to: "wrong")
      unsafe chmod(wrong, 0o600)
      // nbdkit hangs up and gives no reason.
      let foreign = try nbdctl(["info", uri, "--tls-psk-file", wrong], workspace)
      #expect(foreign.status == 76)
      #expect(foreign.errors.contains("closed during the TLS handshake"), "\(foreign.errors)")
      unsafe chmod(wrong, 0o644)
      let open = try nbdctl(["info", uri, "--tls-psk-file", wrong], workspace)
      #expect(open.status == 77)
      #expect(open.errors.contains("lets others at a secret"))
    }
  }

  @Test func `never goes on in the clear where TLS was asked for`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("null", "size=1M", in: workspace)
      let uri = server.uri.replacing("nbd+unix", with: "nbds+unix") + "&tls-verify-peer=0"
      for command in ["info", "list", "map"] {
        let outcome = try nbdctl([command, uri], workspace)
        #expect(outcome.status == 77)
        #expect(outcome.errors.contains("STARTTLS"), "\(outcome.errors)")
        #expect(outcome.output.isEmpty || command == "map")
      }
    }
  }

  /// The URI of an nbdkit that insists on TLS, without the name to verify.
  private func secured(_ workspace: Workspace) throws -> String {
    let server = try Server.nbdkit(
      "--tls=require", "--tls-certificates=\(workspace.file("server"))", "null", "size=1M",
      in: workspace)
    return server.uri.replacing("nbd+unix", with: "nbds+unix")
  }

  /// Makes server/ for nbdkit, and trust/ and other/ for clients, one of which is right.
  private func makeCertificates(_ workspace: Workspace, days: String = "2") throws {
    let commands = """
      set -e; cd \(workspace.path); mkdir server trust other
      key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
      for ca in trust other; do
        openssl req -x509 -days 2 -subj /CN=$ca $key -keyout $ca.key -out $ca/ca-cert.pem
      done
      openssl req -new -subj /CN=server $key -keyout server/server-key.pem -out server.csr
      echo subjectAltName=DNS:good.example >names
      openssl x509 -req -days \(days) -in server.csr -CA trust/ca-cert.pem -CAkey trust.key \\
        -CAcreateserial -extfile names -out server/server-cert.pem
      cp trust/ca-cert.pem server
      """
    let result = try Command.run(["bash", "-c", commands], within: .seconds(60))
    try #require(result.status == 0, "\(result.output)")
  }
}
