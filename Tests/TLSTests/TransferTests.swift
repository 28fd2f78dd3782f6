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
    let sender = try Errand { () -> TLSError? in
      do throws(TLSError) {
        for start in stride(from: 0, to: total, by: piece) {
          let bytes = pattern(start..<min(total, start + piece))
          try session.send(bytes, until: .now + patience, patience)
        }
        return nil
      } catch {
        return error
      }
    }
    var received = 0
    while received < total {
      let count = min(total - received, 65_537)
      let bytes = try session.receive(count, until: .now + patience, patience)
      try #require(bytes == pattern(received..<received + count))
      received += count
    }
    #expect(try sender.result() == nil)
    session.close()
    #expect(peer.prints("end: close_notify"))
  }

  @Test(arguments: ["TLSv1_2", "TLSv1_3"])
  func `tells the end of the session from the end of the connection`(version: String) throws {
    let options = folder.certificate("server") + ["low=\(version)", "high=\(version)"]
    let leaver = try Peer(folder, mode: "hello", options)
    let ended = try leaver.session(credentials(folder))
    #expect(try ended.receiveSome(100) == Array("hello".utf8))
    #expect(try ended.receiveSome(100) == [])
    #expect(throws: TLSError.ended(received: 0)) { try ended.receiveText(1) }

    let deserter = try Peer(folder, mode: "cut", options)
    let cut = try deserter.session(credentials(folder))
    #expect(try cut.receiveSome(100) == Array("hello".utf8))
    try cut.send("!")
    #expect(throws: TLSError.truncated) { try cut.receiveSome(100) }
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
    let receiver = try Errand { () -> TLSError? in
      do throws(TLSError) {
        _ = try session.receiveSome(1)
        return nil
      } catch {
        return error
      }
    }
    usleep(100_000)
    interrupt.signal()
    #expect(try receiver.result() == .interrupted)
  }
}
