// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Glibc
import Testing

@testable import Linux

/// Bytes in and out of a connected socket, with deadline and interrupt.
@Suite(.timeLimit(.minutes(1)))
struct StreamSocketTests {
  private let interrupt: Wakeup
  private let client: StreamSocket
  private let server: Descriptor
  private let long = Duration.seconds(50)
  private let short = Duration.milliseconds(100)

  init() throws {
    let listener = try Listener(host: "127.0.0.1")
    interrupt = try Wakeup()
    client = try StreamSocket.connect(
      to: listener.address, within: .seconds(10), interrupt: interrupt)
    server = try listener.accept()
  }

  // Rows: N-012
  @Test func `puts together what comes in pieces`() throws {
    let server = server
    try Thread.start("pieces") {
      for part in [[1, 2], [3], [4, 5, 6, 7]] as [[UInt8]] {
        _ = try? ControlSocket.send(part, on: server)
        usleep(20_000)
      }
    }
    #expect(try client.receive(5, until: .now + long, long) == [1, 2, 3, 4, 5])
    #expect(try client.receive(2, until: .now + long, long) == [6, 7])
  }

  @Test func `receives no bytes without waiting`() throws {
    #expect(try client.receive(0, until: .now, .zero) == [])
  }

  @Test(arguments: [0, 3])
  func `an end tells how much had come`(count: Int) throws {
    _ = try ControlSocket.send([UInt8](repeating: 7, count: count), on: server)
    server.shutDown()
    #expect(throws: SocketError.ended(received: count)) {
      try client.receive(4, until: .now + long, long)
    }
  }

  @Test func `silence ends at the deadline, also in the middle of a message`() throws {
    #expect(throws: SocketError.timedOut(short)) {
      try client.receive(4, until: .now + short, short)
    }
    _ = try ControlSocket.send([1, 2], on: server)
    #expect(throws: SocketError.timedOut(short)) {
      try client.receive(4, until: .now + short, short)
    }
  }

  @Test func `an interrupt from another thread ends receiving`() throws {
    try raiseSoon()
    #expect(throws: SocketError.interrupted) { try client.receive(1, until: .now + long, long) }
    #expect(throws: SocketError.interrupted) { try client.receiveSome(1) }
  }

  @Test func `an interrupt from another thread ends sending to a peer that takes nothing`() throws {
    try raiseSoon()
    #expect(throws: SocketError.interrupted) {
      while true {
        try client.send([UInt8](repeating: 0, count: 1 << 20), until: .now + long, long)
      }
    }
  }

  private func raiseSoon() throws {
    let interrupt = interrupt
    try Thread.start("interrupt") {
      usleep(50_000)
      interrupt.signal()
    }
  }

  @Test func `a peer that takes nothing ends sending at the deadline`() throws {
    #expect(throws: SocketError.timedOut(short)) {
      while true {
        try client.send([UInt8](repeating: 0, count: 1 << 20), until: .now + short, short)
      }
    }
  }

  @Test func `sends everything to a peer that is slow`() async throws {
    let bytes = (0..<(8 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    let (client, long) = (client, long)
    try Thread.start("sender") { try? client.send(bytes, until: .now + long, long) }
    var received: [UInt8] = []
    while received.count < bytes.count {
      let part = try #require(try ControlSocket.receive(from: server, limit: 1 << 20))
      guard !part.isEmpty else { break }
      received += part
    }
    #expect(received == bytes)
  }

  // Rows: N-015
  @Test func `a peer that has gone is an error and not a signal`() async throws {
    server.shutDown()
    let (client, long) = (client, long)
    // All signals are blocked in that thread, so one that was sent would stay pending.
    let (error, isPending) = try await onThread {
      var error: SocketError?
      do throws(SocketError) {
        while true { try client.send([1], until: .now + long, long) }
      } catch let caught {
        error = caught
      }
      var pending = sigset_t()
      unsafe sigpending(&pending)
      return (error, unsafe sigismember(&pending, SIGPIPE) == 1)
    }
    let expected = [EPIPE, ECONNRESET].map { SocketError.system(SystemError("send", $0)) }
    #expect(error.map(expected.contains) == true)
    #expect(!isPending)
  }

  @Test func `takes what there is, at most the limit, and nothing at the end`() throws {
    _ = try ControlSocket.send([1, 2, 3], on: server)
    #expect(try client.receiveSome(2) == [1, 2])
    #expect(try client.receiveSome(2) == [3])
    server.shutDown()
    #expect(try client.receiveSome(2) == [])
  }

  @Test func `shutting down ends the stream on both sides at once`() throws {
    let (client, long) = (client, long)
    try Thread.start("shutdown") {
      usleep(50_000)
      client.descriptor.shutDown()
    }
    #expect(throws: SocketError.ended(received: 0)) {
      try client.receive(1, until: .now + long, long)
    }
    #expect(try ControlSocket.receive(from: server, limit: 1) == [])
  }

  /// Linux ends a connection at that time although the peer only does not read.
  @Test func `no timer of TCP is shorter than what a request may take`() throws {
    client.prepareForRequests()
    var (time, length) = (UInt32(1), socklen_t(4))
    unsafe getsockopt(
      client.descriptor.number, CInt(IPPROTO_TCP), TCP_USER_TIMEOUT, &time, &length)
    #expect(time == 0)
  }

  @Test func `knows how long ago the peer acknowledged something`() throws {
    try client.send([1], until: .now + long, long)
    usleep(300_000)
    let time = try #require(client.sinceLastAcknowledgement)
    #expect(time >= .milliseconds(250) && time < .seconds(50))
  }

  @Test func `errors say what happened`() {
    #expect(SocketError.timedOut(.milliseconds(1500)).description == "timed out after 1500 ms")
    #expect(SocketError.ended(received: 3).description == "the connection was closed")
    #expect(
      SocketError.system(SystemError("connect", ECONNREFUSED)).description
        == "connect: Connection refused")
  }
}
