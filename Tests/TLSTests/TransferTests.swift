// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Glibc
import Linux
import Testing
import TLS

/// What a session carries, and how it ends.
@Suite(.needsPeers) struct TransferTests {
  private let folder: Folder

  init() throws {
    folder = try makeFolder()
  }

  @Test(arguments: ["TLSv1_2", "TLSv1_3"])
  func `carries 16 MiB both ways at once`(version: String) throws {
    let peer = try Peer(
      folder, mode: "echo",
      folder.certificate("server") + ["low=\(version)", "high=\(version)"])
    let session = try peer.session(credentials(folder))
    let total = 16 << 20
    let piece = 100_003
    let source = try Region(byteCount: piece)
    let room = try Region(byteCount: 65_537)
    let parts = Gather(capacity: 1)
    let readiness = Readiness(capacity: 1)
    var (sent, received) = (0, 0)
    while received < total {
      while sent < total || session.isSending {
        let bytes = pattern(sent..<min(total, sent + piece))
        source.write(0, bytes.count) { span in
          for place in bytes.indices { span[place] = bytes[place] }
        }
        parts.removeAll()
        parts.add(source, 0, bytes.count)
        guard let part = try session.send(parts) else { break }
        sent += part
      }
      while let count = try session.receive(into: room, at: 0, room.byteCount) {
        try #require(count > 0)
        let bytes = room.read(0, count) { span in span.indices.map { span[$0] } }
        try #require(bytes == pattern(received..<received + count))
        received += count
      }
      readiness.removeAll()
      let isWriting = sent < total || session.isSending
      _ = readiness.add(session.socket.descriptor, reading: true, writing: isWriting)
      if received < total { readiness.wait(20_000) }
    }
    #expect(received == total)
    session.close()
    #expect(peer.prints("end: close_notify"))
  }

  @Test(arguments: ["TLSv1_2", "TLSv1_3"])
  func `tells the end of the session from the end of the connection`(version: String) throws {
    let options = folder.certificate("server") + ["low=\(version)", "high=\(version)"]
    let leaver = try Peer(folder, mode: "hello", options)
    let ended = try leaver.session(credentials(folder))
    #expect(try ended.receiveText(5) == "hello")
    #expect(throws: TLSError.ended(received: 0)) { try ended.receiveText(1) }
    #expect(throws: TLSError.ended(received: 0)) { try ended.receiveText(1) }

    let deserter = try Peer(folder, mode: "cut", options)
    let cut = try deserter.session(credentials(folder))
    #expect(try cut.receiveText(5) == "hello")
    try cut.send("!")
    #expect(throws: TLSError.truncated) { try cut.receiveText(1) }
  }

  @Test func `counts what came before the end`() throws {
    let peer = try Peer(folder, mode: "hello", folder.certificate("server"))
    let session = try peer.session(credentials(folder))
    #expect(throws: TLSError.ended(received: 5)) { try session.receiveText(9) }
  }

  @Test(arguments: [false, true])
  func `follows a change of keys`(isWish: Bool) throws {
    let peer = try Peer(folder, openssl: ["-tls1_3"] + certificate)
    let session = try peer.session(credentials(folder))
    for round in 1...3 {
      // "K" asks for new keys of ours as well.
      peer.type(isWish ? "K" : "k")
      #expect(peer.prints("SSL_do_handshake -> 1"))
      peer.type("world \(round)")
      #expect(try session.receiveText(8) == "world \(round)\n")
      try session.send("ping \(round)\n")
      #expect(peer.prints("ping \(round)"))
    }
  }

  @Test func `does not follow the wish for a new handshake`() throws {
    let peer = try Peer(folder, openssl: ["-tls1_2"] + certificate)
    let session = try peer.session(credentials(folder))
    peer.type("r")
    #expect(peer.prints("SSL_do_handshake -> 1"))
    #expect(throws: TLSError.timedOut(.milliseconds(200))) {
      try session.receive(1, until: .now + .milliseconds(200), .milliseconds(200))
    }
    try session.send("ping\n")
    #expect(peer.prints("ping"))
  }

  private var certificate: [String] {
    ["-cert", folder.path("server.pem"), "-key", folder.path("server.key")]
  }

  @Test func `keeps its deadline, and the bytes for later`() throws {
    let peer = try Peer(folder, mode: "echo", folder.certificate("server"))
    let session = try peer.session(credentials(folder))
    #expect(throws: TLSError.timedOut(.milliseconds(200))) {
      try session.receive(5, until: .now + .milliseconds(200), .milliseconds(200))
    }
    try session.send("hello")
    #expect(try session.receiveText(5) == "hello")
  }

  @Test func `does not wait for ever to send`() throws {
    let peer = try Peer(folder, mode: "hello", folder.certificate("server"))
    let session = try peer.session(credentials(folder))
    peer.stop()
    #expect(throws: TLSError.timedOut(.milliseconds(200))) {
      try session.send(
        pattern(0..<8 << 20), until: .now + .milliseconds(200), .milliseconds(200))
    }
    let start = ContinuousClock.now
    session.close(within: .milliseconds(100))
    #expect(ContinuousClock.now - start < patience / 2)
  }

  @Test func `a receiver can be interrupted from another thread`() throws {
    let interrupt = try Wakeup()
    let peer = try Peer(folder, mode: "echo", folder.certificate("server"))
    let session = try peer.session(credentials(folder), interrupt: interrupt)
    let errand = try Errand {
      usleep(100_000)
      interrupt.signal()
    }
    #expect(throws: TLSError.interrupted) { try session.receiveText(1) }
    try errand.result()
  }
}
