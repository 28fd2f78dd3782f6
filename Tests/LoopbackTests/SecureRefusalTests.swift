// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import Testing
internal import Varlink

/// Servers that speak TLS and must be refused, or that refuse: each with its exit status and its words.
@Suite(.needsSecureServers) struct SecureRefusalTests {
  /// Who is asked, how, and what comes of it.
  struct Refusal: Sendable, CustomTestStringConvertible {
    enum Partner: Sendable {
      /// An nbdkit with the certificate of this directory.
      case showing(String)
      case demandingCertificate, qemuDemandingCertificate, nbdServerDemandingCertificate
      case demandingKey
      case qemuWithOnly(String)
      case withoutTLS
    }

    let title: String
    let partner: Partner
    var name = "good.example"
    /// Where the client's certificates are.
    var directory = "trust"
    var key: String?
    var version: String?
    var isInTheClear = false
    var status = 77
    /// What the message begins with after the program's name, but for the step.
    let words: String
    /// What it ends with.
    var hint = "\n"

    var testDescription: String { title }
  }

  static let badServers = [
    Refusal(
      title: "unknown CA", partner: .showing("good"), directory: "other",
      words: "TLS handshake: the server's certificate is refused: "
        + "its issuer is not trusted: CN=trust"),
    Refusal(
      title: "wrong name", partner: .showing("good"), name: "bad.example",
      words: "TLS handshake: the server's certificate is refused: "
        + "it is for good.example; expected bad.example"),
    Refusal(
      title: "expired", partner: .showing("late"),
      words: "TLS handshake: the server's certificate is refused: "
        + "CN=server expired on 2020-01-31 00:00:00 UTC"),
    Refusal(
      title: "not yet valid", partner: .showing("early"),
      words: "TLS handshake: the server's certificate is refused: "
        + "CN=server is not valid before 2099-01-01 00:00:00 UTC"),
    Refusal(
      title: "self-signed", partner: .showing("own"),
      words: "TLS handshake: the server's certificate is refused: "
        + "it is self-signed and not trusted: CN=alone"),
    Refusal(
      title: "revoked", partner: .showing("good"), directory: "wary",
      words: "TLS handshake: the server's certificate is refused: it was revoked"),
    Refusal(
      title: "TLS for a server without", partner: .withoutTLS,
      words: "option STARTTLS: refused with ERR_POLICY: the server's policy forbids it",
      hint: "; if the connection need not be encrypted, use nbd:// in place of nbds://\n"),
  ]

  static let badClients =
    ["1.2", "1.3"].flatMap { (version: String) -> [Refusal] in
      [
        Refusal(
          title: "no client certificate, TLS \(version)", partner: .demandingCertificate,
          version: version, words: hungUpOnNone),
        Refusal(
          title: "a foreign client certificate, TLS \(version)", partner: .demandingCertificate,
          directory: "foreign", version: version, words: hungUpOnCertificate),
        Refusal(
          title: "no client certificate, qemu-nbd, TLS \(version)",
          partner: .qemuDemandingCertificate, version: version, words: hungUpOnNone),
        Refusal(
          title: "a foreign client certificate, qemu-nbd, TLS \(version)",
          partner: .qemuDemandingCertificate, directory: "foreign", version: version,
          words: hungUpOnCertificate),
        Refusal(
          title: "no client certificate, nbd-server, TLS \(version)",
          partner: .nbdServerDemandingCertificate, version: version, words: hungUpOnNone),
        Refusal(
          title: "a foreign client certificate, nbd-server, TLS \(version)",
          partner: .nbdServerDemandingCertificate, directory: "foreign", version: version,
          words: hungUpOnCertificate),
        Refusal(
          title: "wrong key, TLS \(version)", partner: .demandingKey,
          key: "nbdd:\(String(repeating: "77", count: 32))", version: version,
          words: "TLS handshake: the server hung up on user 'nbdd' and its pre-shared key"),
        Refusal(
          title: "unknown user, TLS \(version)", partner: .demandingKey,
          key: "eve:\(String(repeating: "5a", count: 32))", version: version,
          words: "TLS handshake: the server hung up on user 'eve' and its pre-shared key"),
      ]
    } + [
      Refusal(
        title: "in the clear where TLS is required", partner: .showing("good"), isInTheClear: true,
        words: "option EXTENDED_HEADERS: refused with ERR_TLS_REQD: the server requires TLS: use "
          + "the scheme nbds"),
      // It says nothing, and could as well have been ended: so it is not known to be a refusal.
      Refusal(
        title: "no version in common", partner: .qemuWithOnly("1.2"), version: "1.3", status: 76,
        words: "TLS handshake: the connection was closed during the TLS handshake; "
          + "the server's log may say why"),
    ]

  private static let hungUpOnNone =
    "TLS handshake: the server asked for a client certificate, of which none is configured, "
    + "and hung up"
  private static let hungUpOnCertificate =
    "TLS handshake: the server hung up on the client certificate; its log may say why"

  // Rows: N-046, N-052, N-054
  @Test(arguments: badServers)
  func `refuses a server`(_ refusal: Refusal) throws {
    try check(refusal)
  }

  // Rows: N-052, N-055
  @Test(arguments: badClients)
  func `says why it is refused`(_ refusal: Refusal) throws {
    try check(refusal)
  }

  private func check(_ refusal: Refusal) throws {
    try Workspace.run { workspace in
      if refusal.key == nil { try Certificates.make(in: workspace) }
      let server = try server(refusal.partner, workspace)
      var options: [String] = []
      var uri = server.uri
      if let key = refusal.key {
        let file = try workspace.write("\(key)\n", to: "key")
        unsafe chmod(file, 0o600)
        uri = server.securedURI()
        options = ["--tls-psk-file", file]
      } else if !refusal.isInTheClear {
        uri = server.securedURI("&tls-hostname=\(refusal.name)", export: "one")
        options = ["--tls-certificates", workspace.file(refusal.directory)]
      }
      if let version = refusal.version { options += ["--tls-priority", only(version)] }
      let outcome = try nbdctl(["info", uri] + options, workspace)
      #expect(outcome.status == refusal.status)
      #expect(outcome.errors.hasPrefix("nbdctl: \(refusal.words)"), "\(outcome.errors)")
      #expect(outcome.errors.hasSuffix(refusal.hint), "\(outcome.errors)")
      #expect(outcome.output == "")
      let copy = workspace.file("copy")
      let read = try nbdctl(["read", uri, "--output", copy] + options, workspace)
      #expect(read.status == refusal.status, "\(read.errors)")
      #expect(unsafe access(copy, F_OK) != 0)
    }
  }

  private func server(_ partner: Refusal.Partner, _ workspace: Workspace) throws -> Server {
    switch partner {
    case .qemuDemandingCertificate, .qemuWithOnly:
      if !Tool.qemu.isInstalled { try Test.cancel(DirectTests.noQemu) }
    case .nbdServerDemandingCertificate:
      if !Tool.nbdServer.isInstalled { try Test.cancel(DirectTests.noNbdServer) }
    default: break
    }
    return switch partner {
    case .showing(let name): try Server.nbdkit(showing: name, in: workspace)
    case .demandingCertificate:
      try Server.nbdkit(showing: Certificates.good, "--tls-verify-peer", in: workspace)
    case .qemuDemandingCertificate: try Server.qemu(securedBy: "verify-peer=on", in: workspace)
    case .nbdServerDemandingCertificate:
      try Server.nbdServerDemandingCertificate(in: workspace)
    case .demandingKey: try Server.requiringTLS(in: workspace)
    case .qemuWithOnly(let version):
      try Server.qemu(securedBy: "verify-peer=off,priority=\(only(version))", in: workspace)
    case .withoutTLS: try Server.nbdkit("null", "size=1M", in: workspace)
    }
  }

  @Test func `does not trust the system instead of a directory that is not there`() throws {
    try Workspace.run { workspace in
      try Certificates.make(in: workspace)
      let server = try Server.nbdkit(showing: Certificates.good, in: workspace)
      let outcome = try nbdctl(
        [
          "info", server.securedURI("&tls-hostname=good.example"),
          "--tls-certificates", workspace.file("slip"),
        ], workspace)
      #expect(outcome.status == 1)
      #expect(outcome.errors.contains("\(workspace.file("slip")): No such file or directory"))
    }
  }

  @Test func `wants a list of revoked certificates to be one`() throws {
    try Workspace.run { workspace in
      try Certificates.make(in: workspace)
      let server = try Server.nbdkit(showing: Certificates.good, in: workspace)
      let list = try workspace.write("nothing of the kind\n", to: "trust/ca-crl.pem")
      let outcome = try nbdctl(
        [
          "info", server.securedURI("&tls-hostname=good.example"),
          "--tls-certificates", workspace.file("trust"),
        ], workspace)
      #expect(outcome.status == 1)
      #expect(
        outcome.errors.hasPrefix(
          "nbdctl: credentials: \(list): no usable certificate revocation lists: "))
    }
  }

  // What nbdd does at each attempt.
  @Test func `sees at the next attempt that a server was revoked`() throws {
    try Workspace.run { workspace in
      try Certificates.make(in: workspace)
      let server = try Server.nbdkit(showing: Certificates.good, in: workspace)
      let device = Daemon.device(
        server.securedURI("&tls-hostname=good.example"), 9000,
        "autoAttach: false, tlsCertificates: \"\(workspace.file("trust"))\"")
      let daemon = try Daemon(in: workspace, ["device": device])
      let accepted = try daemon.nbdctl("attach", "device").errors
      #expect(accepted.contains("/dev/nbd9000: No such file"), "\(accepted)")
      let list = try #require(File.contents(of: workspace.file("wary/ca-crl.pem")))
      try workspace.write(list, to: "trust/ca-crl.pem")
      try eventually("the refusal") {
        (try? daemon.nbdctl("attach", "device").errors)?.contains("it was revoked") == true
      }
      #expect(try daemon.awaitFailure(of: "device")["state"]?.string == "failed")
    }
  }

  @Test(.enabled(if: Tool.nbdServer.isInstalled, DirectTests.noNbdServer))
  func `does not hope that nbd-server will think better of the client`() throws {
    try Workspace.run { workspace in
      try Certificates.make(in: workspace)
      let server = try Server.nbdServerDemandingCertificate(in: workspace)
      let device = Daemon.device(
        server.securedURI("&tls-hostname=good.example", export: "one"), 9000,
        "tlsCertificates: \"\(workspace.file("foreign"))\"")
      let daemon = try Daemon(in: workspace, ["device": device])
      #expect(try daemon.awaitFailure(of: "device")["state"]?.string == "failed")
    }
  }

  @Test func `names the file of a key that is missing`() throws {
    try Workspace.run { workspace in
      try Certificates.make(in: workspace)
      for (missing, rest) in [("key", "cert"), ("cert", "key")] {
        let directory = workspace.file("half\(missing)")
        _ = try workspace.write(
          File.contents(of: workspace.file("client/client-\(rest).pem")) ?? "",
          to: "half\(missing)/client-\(rest).pem")
        let outcome = try nbdctl(
          ["info", "nbds://127.0.0.1:1/?tls-verify-peer=0", "--tls-certificates", directory],
          workspace)
        #expect(outcome.status == 1)
        #expect(
          outcome.errors.contains("\(directory)/client-\(missing).pem: No such file or directory"))
      }
    }
  }

  @Test func `takes no key from a file that others can read`() throws {
    try Workspace.run { workspace in
      let server = try Server.requiringTLS(in: workspace)
      let outcome = try nbdctl(
        ["info", server.securedURI(), "--tls-psk-file", workspace.file("psk")], workspace)
      #expect(outcome.status == 77)
      #expect(outcome.errors.contains("lets other users read a secret"))
    }
  }
}
