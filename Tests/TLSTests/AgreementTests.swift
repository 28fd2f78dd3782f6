// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Linux
import Testing
import TLS

/// Sessions that come about.
@Suite(.needsPeers) struct AgreementTests {
  // Rows: N-059
  @Test(arguments: [("TLSv1_2", "TLS 1.2, AES-256-GCM"), ("TLSv1_3", "TLS 1.3, AES-256-GCM")])
  func `agrees with a server on its version`(version: String, agreed: String) throws {
    let folder = try makeFolder()
    let peer = try Peer(
      folder, mode: "echo",
      folder.certificate("server") + ["low=\(version)", "high=\(version)"])
    let session = try peer.session(credentials(folder))
    #expect(session.description == agreed)
    try session.send("hello")
    #expect(try session.receiveText(5) == "hello")
    session.close()
    #expect(peer.prints("name: good.example"))
    #expect(peer.prints("end: close_notify"))
  }

  @Test func `a session that is dropped has no good end`() throws {
    let folder = try makeFolder()
    let peer = try Peer(folder, mode: "echo", folder.certificate("server"))
    _ = try peer.session(credentials(folder))
    #expect(peer.prints("end: cut"))
  }

  @Test(arguments: ["192.0.2.7", "2001:db8::7", "2001:DB8:0::7", "2001:db8::7%eth0"])
  func `verifies an address, and does not ask for it by name`(address: String) throws {
    let folder = try makeFolder()
    try folder.makeCertificate("numbered", for: "IP:192.0.2.7,IP:2001:db8::7")
    let peer = try Peer(folder, mode: "echo", folder.certificate("numbered"))
    let session = try peer.session(credentials(folder) { $0.hostname = address })
    session.close()
    #expect(peer.prints("name: None"))
  }

  @Test(arguments: [
    ("DNS:*.good.example", "a.good.example"), ("DNS:good.example", "GOOD.example."),
    ("DNS:bad.example,DNS:good.example", "good.example"),
  ])
  func `finds its name in the certificate`(names: String, host: String) throws {
    let folder = try makeFolder()
    try folder.makeCertificate("other", for: names)
    let peer = try Peer(folder, mode: "hello", folder.certificate("other"))
    let session = try peer.session(credentials(folder) { $0.hostname = host })
    #expect(try session.receiveText(5) == "hello")
  }

  @Test func `shows its certificate to a server that demands one`() throws {
    let folder = try makeFolder()
    try folder.makeCertificate("client", usage: "clientAuth")
    let peer = try Peer(
      folder, mode: "hello", folder.certificate("server") + ["ca=\(folder.path("ca.pem"))"])
    let session = try peer.session(
      credentials(folder) {
        $0.certificateFile = folder.path("client.pem")
        $0.keyFile = folder.path("client.key")
      })
    #expect(try session.receiveText(5) == "hello")
  }

  @Test func `takes any certificate when told not to verify`() throws {
    let folder = try makeFolder()
    try folder.makeCertificate("alone", for: "DNS:bad.example", by: nil)
    let peer = try Peer(folder, mode: "hello", folder.certificate("alone"))
    let session = try peer.session(
      credentials(folder) {
        $0.verifyPeer = false
        $0.hostname = nil
        $0.caFile = nil
      })
    #expect(try session.receiveText(5) == "hello")
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"])
  func `agrees by a pre-shared key`(version: String) throws {
    let folder = try Folder()
    let peer = try Peer(
      folder,
      openssl: [
        version, "-nocert", "-psk_identity", "alice", "-psk", "00112233445566778899aabbccddeeff",
        "-rev",
      ])
    let file = try folder.write(
      "# keys\nbob:ff00ff00\nalice:00112233445566778899aabbccddeeff\n", to: "psk")
    let session = try peer.session(
      credentials(folder) {
        $0.method = .preSharedKey
        $0.pskFile = file
        $0.user = "alice"
      })
    try session.send("hello\n")
    #expect(try session.receiveText(5) == "olleh")
  }

  @Test func `agrees without any proof only if asked for`() throws {
    let folder = try Folder()
    let options = ["-tls1_2", "-nocert", "-cipher", "aNULL:@SECLEVEL=0", "-rev"]
    let peer = try Peer(folder, openssl: options)
    let session = try peer.session(credentials(folder) { $0.method = .anonymous })
    try session.send("hello\n")
    #expect(try session.receiveText(5) == "olleh")

    try folder.makeAuthority("ca")
    let other = try Peer(folder, openssl: options)
    #expect(try other.refusal(credentials(folder)) == .nothingInCommon("Handshake failed"))
  }

  @Test(arguments: ["TLSv1_2", "TLSv1_3"])
  func `agrees on a thread with a small stack`(version: String) throws {
    let folder = try makeFolder()
    let peer = try Peer(
      folder, mode: "hello",
      folder.certificate("server") + ["low=\(version)", "high=\(version)"])
    let socket = try peer.connect()
    let credentials = try credentials(folder)
    let text = try Errand {
      let session = try? Session(over: socket, credentials, until: .now + patience, patience)
      return try? session?.receiveText(5)
    }.result()
    #expect(text == "hello")
  }
}
