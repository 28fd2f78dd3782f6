// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Glibc
import Testing
import TestSupport

@testable import Linux

/// Connecting a stream socket: success, refusal, deadline and interrupt.
@Suite(.timeLimit(.minutes(1)))
struct ConnectTests {
  private let directory: TemporaryDirectory
  private var path: String { "\(directory.path)/socket" }

  init() throws {
    directory = try TemporaryDirectory()
  }

  @Test(arguments: ["127.0.0.1", "::1"])
  func `connects over IPv4 and IPv6, both ways`(host: String) throws {
    guard host != "::1" || Listener.hasIPv6 else { return }
    try checkExchange(try Listener(host: host))
  }

  @Test func `connects over a UNIX socket, both ways`() throws {
    try checkExchange(try Listener(path: path))
  }

  private func checkExchange(_ listener: Listener) throws {
    let client = try StreamSocket.connect(to: listener.address, within: .seconds(10))
    client.setNoDelay()
    let server = try listener.accept()
    try client.send(Array("ping".utf8), until: .now + .seconds(10), .seconds(10))
    #expect(try ControlSocket.receive(from: server, limit: 4) == Array("ping".utf8))
    #expect(try ControlSocket.send(Array("pong".utf8), on: server) == 4)
    #expect(try client.receive(4, until: .now + .seconds(10), .seconds(10)) == Array("pong".utf8))
  }

  @Test func `a port where nobody listens refuses`() throws {
    let address = try Listener(host: "127.0.0.1").address
    var failure: SocketError?
    // Just closed, it may still reset a connection.
    for _ in 0..<100 {
      failure = #expect(throws: SocketError.self) {
        try StreamSocket.connect(to: address, within: .seconds(10))
      }
      if failure != .system(SystemError("connect", ECONNRESET)) { break }
      usleep(10_000)
    }
    #expect(failure == .system(SystemError("connect", ECONNREFUSED)))
  }

  @Test func `a socket file where nobody listens refuses`() throws {
    let address = try Listener(path: path).address
    #expect(throws: SocketError.system(SystemError("connect", ECONNREFUSED))) {
      try StreamSocket.connect(to: address, within: .seconds(10))
    }
  }

  @Test func `a path without a socket file is an error of its own`() throws {
    let address = try #require(Address.unix(path: Array(path.utf8)))
    #expect(throws: SocketError.system(SystemError("connect", ENOENT))) {
      try StreamSocket.connect(to: address, within: .seconds(10))
    }
  }

  // A full backlog is the only server that is slow to accept without leaving this machine.
  private func full(_ host: String?) throws -> (Listener, [StreamSocket]) {
    let listener =
      try host.map { try Listener(host: $0, backlog: 0) } ?? Listener(path: path, backlog: 0)
    return (listener, try listener.fill())
  }

  @Test(arguments: ["127.0.0.1", nil])
  func `a server that does not accept is given up at the deadline, which the error names`(
    host: String?
  ) throws {
    let (listener, waiting) = try full(host)
    #expect(throws: SocketError.timedOut(.milliseconds(150))) {
      try StreamSocket.connect(to: listener.address, within: .milliseconds(150))
    }
    #expect(!waiting.isEmpty)
  }

  @Test func `an earlier end counts, and the error names the whole time`() throws {
    let (listener, waiting) = try full(nil)
    #expect(throws: SocketError.timedOut(.seconds(50))) {
      try StreamSocket.connect(
        to: listener.address, within: .seconds(50), until: .now + .milliseconds(150))
    }
    #expect(!waiting.isEmpty)
  }

  @Test(arguments: ["127.0.0.1", nil])
  func `an interrupt from another thread ends connecting`(host: String?) throws {
    let (listener, waiting) = try full(host)
    let interrupt = try Wakeup()
    try Thread.start("interrupt") {
      usleep(50_000)
      interrupt.signal()
    }
    #expect(throws: SocketError.interrupted) {
      try StreamSocket.connect(to: listener.address, within: .seconds(50), interrupt: interrupt)
    }
    #expect(!waiting.isEmpty)
  }

  @Test func `connecting to a UNIX socket goes on when there is room again`() throws {
    let (listener, waiting) = try full(nil)
    try Thread.start("accept") {
      usleep(50_000)
      _ = try? listener.accept()
    }
    let late = try StreamSocket.connect(to: listener.address, within: .seconds(50))
    #expect(late.descriptor.number >= 0)
    #expect(!waiting.isEmpty)
  }

  @Test func `an interrupt that was raised before ends waiting at once`() throws {
    let (listener, waiting) = try full("127.0.0.1")
    let interrupt = try Wakeup()
    interrupt.signal()
    #expect(throws: SocketError.interrupted) {
      try StreamSocket.connect(to: listener.address, within: .seconds(50), interrupt: interrupt)
    }
    #expect(!waiting.isEmpty)
  }

  @Test func `a socket prepared for the kernel blocks, and notices a peer that has gone`() throws {
    let listener = try Listener(host: "127.0.0.1")
    let client = try StreamSocket.connect(to: listener.address, within: .seconds(10))
    #expect(flags(of: client) & O_NONBLOCK != 0)
    try client.prepareForKernel()
    #expect(flags(of: client) & O_NONBLOCK == 0)
    let tcp = CInt(IPPROTO_TCP)
    #expect(option(SOL_SOCKET, SO_KEEPALIVE, of: client) == 1)
    #expect(option(tcp, TCP_NODELAY, of: client) == 1)
    // That would cut off a server that is there and only slow.
    #expect(option(tcp, TCP_USER_TIMEOUT, of: client) == 0)
  }

  @Test func `a UNIX socket can be prepared for the kernel as well`() throws {
    let listener = try Listener(path: path)
    let client = try StreamSocket.connect(to: listener.address, within: .seconds(10))
    try client.prepareForKernel()
    #expect(flags(of: client) & O_NONBLOCK == 0)
  }

  private func flags(of socket: StreamSocket) -> CInt {
    fcntl(socket.descriptor.number, F_GETFL)
  }

  private func option(_ level: CInt, _ name: CInt, of socket: StreamSocket) -> CInt {
    var value: CInt = -1
    var length = socklen_t(MemoryLayout<CInt>.size)
    unsafe getsockopt(socket.descriptor.number, level, name, &value, &length)
    return value
  }
}
