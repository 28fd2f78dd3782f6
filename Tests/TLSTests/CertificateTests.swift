// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Linux
import Testing
import TLS

/// Certificates of servers that must be refused, each with its reason (N-054).
@Suite(.needsPeers) struct CertificateTests {
  private let folder: Folder

  init() throws {
    folder = try makeFolder()
  }

  private func refusal(
    _ name: String, hostname: String = "good.example", revoked: String? = nil
  ) throws -> TLSError? {
    let peer = try Peer(folder, mode: "echo", folder.certificate(name))
    let error = try peer.refusal(
      credentials(folder) {
        $0.hostname = hostname
        $0.revocationFile = revoked
      })
    #expect(error?.isPersistent == true)
    // The server is told, in the alert that fits or in a general one.
    #expect(peer.prints("refused: "))
    return error
  }

  @Test func `refuses an unknown CA and names it`() throws {
    try folder.makeAuthority("foreign")
    try folder.makeCertificate("server", by: "foreign")
    let error = try refusal("server")
    #expect(error == .certificate([.unknownAuthority(issuer: "O=Test,CN=foreign")]))
    #expect(
      error?.description
        == "the server's certificate is refused: its issuer is not trusted: O=Test,CN=foreign")
  }

  @Test func `refuses a certificate that vouches for itself`() throws {
    try folder.makeCertificate("alone", by: nil)
    #expect(try refusal("alone") == .certificate([.selfSigned(subject: "CN=alone")]))
  }

  // Rows: N-054
  @Test func `refuses another name and gives both`() throws {
    try folder.makeCertificate("server", for: "DNS:a.example,DNS:b.example,IP:192.0.2.7")
    let error = try refusal("server", hostname: "c.example")
    #expect(
      error?.description == "the server's certificate is refused: "
        + "it is for a.example, b.example, 192.0.2.7; expected c.example")
  }

  @Test(arguments: ["192.0.2.8", "2001:db8::8", "::ffff:192.0.2.7"])
  func `refuses another address`(address: String) throws {
    try folder.makeCertificate("server", for: "IP:192.0.2.7,IP:2001:db8::7,DNS:192.0.2.8")
    #expect(
      try refusal("server", hostname: address)
        == .certificate([
          .wrongName(names: ["192.0.2.7", "2001:db8::7", "192.0.2.8"], expected: address)
        ]))
  }

  @Test(arguments: ["DNS:192.0.2.8", "email:nobody@good.example"])
  func `says that an address as a name does not count`(entry: String) throws {
    try folder.makeCertificate("192.0.2.8", for: entry)
    #expect(
      try refusal("192.0.2.8", hostname: "192.0.2.8")?.description
        == "the server's certificate is refused: it has 192.0.2.8 as a name, and needs it as an "
        + "address: subjectAltName=IP:192.0.2.8")
  }

  @Test func `refuses a certificate with a critical extension that nobody knows`() throws {
    try folder.makeCertificate("odd", and: ["1.2.3.4.5=critical,ASN1:UTF8String:odd"])
    #expect(
      try refusal("odd")?.description == "the server's certificate is refused: "
        + "it has a critical extension that is not known here: 1.2.3.4.5")
  }

  @Test func `shows no control characters of a certificate`() throws {
    try folder.makeCertificate("server", for: "DNS:a\u{1b}[31m.example")
    #expect(
      try refusal("server")
        == .certificate([.wrongName(names: ["a\\u{1b}[31m.example"], expected: "good.example")]))
  }

  @Test func `refuses an expired certificate and says since when`() throws {
    try folder.makeCertificate("old", from: "20200101000000Z", until: "20200131123456Z")
    #expect(
      try refusal("old")?.description == "the server's certificate is refused: "
        + "CN=old expired on 2020-01-31 12:34:56 UTC")
  }

  @Test func `refuses a certificate of the future and says from when on`() throws {
    try folder.makeCertificate("early", from: "20490101000000Z", until: "20491231000000Z")
    #expect(
      try refusal("early")?.description == "the server's certificate is refused: "
        + "CN=early is not valid before 2049-01-01 00:00:00 UTC")
  }

  @Test func `names all that is wrong`() throws {
    try folder.makeCertificate("old", from: "20200101000000Z", until: "20200131000000Z")
    #expect(
      try refusal("old", hostname: "c.example")
        == .certificate([
          .wrongName(names: ["good.example"], expected: "c.example"),
          .expired(subject: "CN=old", on: Time(seconds: 1_580_428_800)),
        ]))
  }

  // Rows: N-054
  @Test func `refuses a revoked certificate, and only that`() throws {
    try folder.makeCertificate("other")
    try folder.makeRevocationList("list", of: "server", by: "ca")
    let list = folder.path("list.pem")
    #expect(
      try refusal("server", revoked: list)?.description
        == "the server's certificate is refused: it was revoked")
    let peer = try Peer(folder, mode: "echo", folder.certificate("other"))
    _ = try peer.session(credentials(folder) { $0.revocationFile = list })
  }

  // Rows: N-054
  @Test func `refuses the certificate of a revoked CA`() throws {
    try folder.openssl([
      "req", "-x509", "-days", "2", "-subj", "/CN=between", "-newkey", "ec", "-pkeyopt",
      "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder.path("between.key"), "-CA",
      folder.path("ca.pem"), "-CAkey", folder.path("ca.key"), "-addext",
      "keyUsage=critical,keyCertSign,cRLSign", "-out", folder.path("between.pem"),
    ])
    try folder.makeCertificate("below", by: "between")
    _ = try folder.write(
      ["below", "between"].compactMap { File.contents(of: folder.path("\($0).pem")) }.joined(),
      to: "below.pem")
    try folder.makeRevocationList("list", of: "between", by: "ca")
    #expect(
      try refusal("below", revoked: folder.path("list.pem")) == .certificate([.revoked]))
  }

  @Test func `refuses a certificate that is not for servers`() throws {
    try folder.makeCertificate("client", usage: "clientAuth")
    #expect(try refusal("client") == .certificate([.wrongPurpose]))
  }

  @Test func `refuses a certificate of somebody who is no CA`() throws {
    try folder.makeCertificate("forged", by: "server")
    _ = try folder.write(
      File.contents(of: folder.path("forged.pem")).map {
        $0 + (File.contents(of: folder.path("server.pem")) ?? "")
      } ?? "", to: "forged.pem")
    let error = try refusal("forged")
    guard case .certificate(let faults) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(faults.contains(.notAnAuthority(issuer: "CN=server")))
  }

  @Test func `refuses a signature that can be forged`() throws {
    try folder.makeCertificate("weak", digest: "sha1")
    let peer = try Peer(
      folder,
      openssl: [
        "-cert", folder.path("weak.pem"), "-key", folder.path("weak.key"),
        "-cipher", "DEFAULT:@SECLEVEL=0",
      ])
    #expect(
      try peer.refusal(credentials(folder))
        == .certificate([.weak("signed with ECDSA-SHA1")]))
  }

  @Test(
    .enabled(
      if: File.contents(of: "/etc/ssl/certs/ca-certificates.crt") != nil,
      "needs CA certificates of the system: apt-get install ca-certificates"))
  func `trusts whom the system trusts if no CA is given, and nobody else`() throws {
    let peer = try Peer(folder, mode: "echo", folder.certificate("server"))
    #expect(
      try peer.refusal(credentials(folder) { $0.caFile = nil })
        == .certificate([.unknownAuthority(issuer: "O=Test,CN=ca")]))
  }
}
