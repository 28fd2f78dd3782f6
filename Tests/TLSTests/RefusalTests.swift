// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Glibc
import Linux
import Testing
import TLS

/// Sessions that do not come about for other reasons than the server's certificate (N-052).
@Suite(.needsPeers) struct RefusalTests {
  @Test(arguments: ["-tls1_2", "-tls1_3"])
  func `says that the server demands a certificate`(version: String) throws {
    let folder = try makeFolder()
    let error = try demanding(folder, version).refusal(credentials(folder))
    guard case .clientCertificateDemanded = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.isPersistent == true)
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"])
  func `says that the server does not like its certificate`(version: String) throws {
    let folder = try makeFolder()
    try folder.makeAuthority("foreign")
    try folder.makeCertificate("client", by: "foreign", usage: "clientAuth")
    let error = try demanding(folder, version).refusal(
      credentials(folder) {
        $0.certificateFile = folder.path("client.pem")
        $0.keyFile = folder.path("client.key")
      })
    #expect(
      error?.description
        == "the server refused the client certificate (CA is unknown)")
  }

  private func demanding(_ folder: Folder, _ version: String) throws -> Peer {
    try Peer(
      folder,
      openssl: [
        version, "-cert", folder.path("server.pem"), "-key", folder.path("server.key"),
        "-CAfile", folder.path("ca.pem"), "-Verify", "2", "-verify_return_error",
      ])
  }

  @Test func `knows why its data was not wanted`() throws {
    let folder = try makeFolder()
    let peer = try demanding(folder, "-tls1_3")
    let session = try peer.session(credentials(folder))
    // Until the server has gone, what is sent goes into the void.
    let deadline = ContinuousClock.now + patience
    do throws(TLSError) {
      while ContinuousClock.now < deadline {
        try session.send("hello")
        usleep(1_000)
      }
      Issue.record("the server takes everything")
    } catch {
      #expect(error == .truncated)
      let farewell = session.farewell
      guard case .clientCertificateDemanded = farewell else {
        Issue.record("\(String(describing: farewell))")
        return
      }
    }
  }

  @Test(arguments: [
    ("-tls1_2", "alice:ff0011223344"), ("-tls1_3", "alice:ff0011223344"),
    ("-tls1_3", "bob:00112233445566778899aabbccddeeff"),
  ])
  func `says that the server refuses user or key`(version: String, line: String) throws {
    let folder = try Folder()
    let peer = try Peer(
      folder,
      openssl: [
        version, "-nocert", "-psk_identity", "alice", "-psk", "00112233445566778899aabbccddeeff",
      ])
    let file = try folder.write(line, to: "psk")
    let error = try peer.refusal(
      credentials(folder) {
        $0.method = .preSharedKey
        $0.pskFile = file
      })
    guard case .preSharedKeyRefused(let user, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(line.hasPrefix(user + ":"))
    #expect(error?.isPersistent == true)
  }

  @Test func `takes a hang-up in place of an answer to its key for a refusal`() throws {
    let folder = try Folder()
    let peer = try Peer(folder, mode: "hangup")
    let file = try folder.write("alice:ff00ff00", to: "psk")
    let error = try peer.refusal(
      credentials(folder) {
        $0.method = .preSharedKey
        $0.pskFile = file
      })
    #expect(error == .preSharedKeyRefused(user: "alice", nil))
  }

  @Test(arguments: ["TLSv1_2", "TLSv1_3"])
  func `takes no certificate in place of a pre-shared key`(version: String) throws {
    let folder = try makeFolder()
    let peer = try Peer(
      folder, mode: "hello",
      folder.certificate("server") + ["low=\(version)", "high=\(version)"])
    let file = try folder.write("alice:ff00ff00", to: "psk")
    let error = try peer.refusal(
      credentials(folder) {
        $0.method = .preSharedKey
        $0.pskFile = file
      })
    #expect(error != nil && error?.isPersistent == true, "\(String(describing: error))")
  }

  @Test(arguments: ["-tls1", "-tls1_1"])
  func `refuses old versions`(version: String) throws {
    let folder = try makeFolder()
    let peer = try Peer(
      folder,
      openssl: [
        version, "-cipher", "DEFAULT:@SECLEVEL=0", "-cert", folder.path("server.pem"),
        "-key", folder.path("server.key"),
      ])
    let error = try peer.refusal(credentials(folder))
    guard case .nothingInCommon = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.isPersistent == true)
  }

  @Test(arguments: [
    ("garbage", TLSError.notTLS), ("hangup", .endedInHandshake),
    ("silent", .timedOut(.milliseconds(300))), ("drip", .timedOut(.milliseconds(300))),
  ])
  func `gives up on a peer that does not agree`(mode: String, expected: TLSError) throws {
    let folder = try makeFolder()
    let peer = try Peer(folder, mode: mode)
    let credentials = try credentials(folder)
    let socket = try peer.connect()
    let start = ContinuousClock.now
    let time = expected == .timedOut(.milliseconds(300)) ? .milliseconds(300) : patience
    #expect(throws: expected) {
      try Session(over: socket, credentials, until: start + time, time)
    }
    if time < patience { #expect(ContinuousClock.now - start > time) }
    #expect(ContinuousClock.now - start < patience / 2)
    #expect(expected.isPersistent == (mode == "garbage"))
  }

  @Test func `can be interrupted from another thread`() throws {
    let folder = try makeFolder()
    let interrupt = try Wakeup()
    let peer = try Peer(folder, mode: "silent")
    let credentials = try credentials(folder)
    let socket = try peer.connect(interrupt: interrupt)
    let start = ContinuousClock.now
    let errand = try Errand {
      usleep(100_000)
      interrupt.signal()
    }
    #expect(throws: TLSError.interrupted) {
      try Session(over: socket, credentials, until: start + patience, patience)
    }
    #expect(ContinuousClock.now - start < patience / 2)
    try errand.result()
  }
}
