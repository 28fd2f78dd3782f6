// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import NBD
internal import Relay
internal import Testing

/// Servers that say nothing, or little, and those that say that they are going.
struct SilenceTests {
  private static let time = Duration.seconds(300)
  private let scene: Scene
  private let peer: Peer

  init() throws {
    scene = try Scene {
      $0.requestTimeout = Self.time
      $0.unflushedLimit = 1 << 20
    }
    peer = try Peer()
  }

  private var hasLostConnection: Bool {
    scene.events.all.contains { if case .down = $0 { true } else { false } }
  }

  @Test func `gives a silent server up, and waits twice as long the next time`() throws {
    let read = try scene.kernel.read(0, 512)
    for factor in [1, 2, 4] {
      let server = try peer.connect(scene)
      _ = try server.next(.read)
      try scene.advance(by: Self.time * factor - .seconds(100))
      #expect(!hasLostConnection)
      try scene.advance(by: .seconds(100))
      #expect(try scene.events.awaitDown() == .silent(Self.time * factor))
    }
    let server = try peer.connect(scene)
    server.reply(try server.next(.read), .pattern(1, 512))
    #expect(try scene.kernel.answer(read)?.data == .pattern(1, 512))
    // What is asked for later has the usual time.
    _ = try scene.kernel.read(0, 512)
    _ = try server.next(.read)
    try scene.advance(by: Self.time)
    #expect(try scene.events.awaitDown() == .silent(Self.time))
  }

  @Test func `waits longer for a flush of its own too, once it was not enough`() throws {
    var server = try peer.connect(scene)
    let write = try scene.kernel.write(0, .pattern(1, 1 << 20))
    server.reply(try server.next(.write))
    #expect(try scene.kernel.answer(write)?.error == 0)
    for factor in [1, 2] {
      _ = try server.next(.flush)
      try scene.advance(by: Self.time * factor)
      #expect(try scene.events.awaitDown() == .silent(Self.time * factor))
      server = try peer.connect(scene)
      server.reply(try server.next(.write))
    }
    let flush = try server.next(.flush)
    try scene.advance(by: Self.time * 3)
    #expect(!hasLostConnection)
    server.reply(flush)
    try eventually("an empty ledger") { scene.unflushedBytes == 0 }
    #expect(!hasLostConnection)
  }

  @Test func `gives a server up that says a byte now and then`() throws {
    let server = try peer.connect(scene)
    let read = try scene.kernel.read(0, 512)
    server.send(Reply.simple(try server.next(.read).cookie))
    for _ in 0..<512 where !hasLostConnection {
      try scene.advance(by: Self.time / 10)
      server.send([1])
    }
    #expect(try scene.events.awaitDown() == .silent(Self.time))
    let next = try peer.connect(scene)
    next.reply(try next.next(.read), .pattern(2, 512))
    #expect(try scene.kernel.answer(read)?.data == .pattern(2, 512))
  }

  @Test func `bears a slow server, as long as something moves`() throws {
    let server = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    // A long reply, and then replies one after the other.
    let reads = try (0..<6).map { _ in try scene.kernel.read(0, 6 << 16) }
    for (name, read) in reads.enumerated() {
      let request = try server.next(.read)
      server.send(Reply.simple(request.cookie))
      for part in 0..<6 {
        try scene.advance(by: name == 0 ? Self.time / 2 : Self.time / 10)
        server.send([UInt8](repeating: UInt8(part), count: 1 << 16))
      }
      #expect(try scene.kernel.answer(read)?.error == 0)
    }
    // A long request that is taken bit by bit.
    let write = try scene.kernel.write(0, .pattern(1, 4 << 20))
    let header = try server.take(28)
    for _ in 0..<8 {
      try scene.advance(by: Self.time / 3)
      _ = try server.take(512 << 10)
    }
    server.send(Reply.simple(header.number(at: 8)))
    #expect(try scene.kernel.answer(write)?.error == 0)
    #expect(!hasLostConnection)
  }

  @Test func `gives a server up that takes no requests`() throws {
    let first = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    let data = [UInt8].pattern(1, 8 << 20)
    let write = try scene.kernel.write(0, data)
    for _ in 0..<200 where !hasLostConnection {
      try scene.kernel.turn(1)
      try scene.advance(by: Self.time / 10)
    }
    #expect(try scene.events.awaitDown() == .silent(Self.time))
    #expect(!first.isSilent())
    let server = try peer.connect(scene)
    let request = try server.next(.write)
    #expect(request.data.isSame(as: data))
    server.reply(request)
    #expect(try scene.kernel.answer(write)?.error == 0)
  }

  @Test(arguments: [ReplyStyle.simple, .structured])
  func `takes the word that the server shuts down for an outage`(_ replies: ReplyStyle) throws {
    var server = try peer.connect(scene, 0, replies)
    let cookies = try (0..<3).map { try scene.kernel.read(UInt64($0) << 12, 512) }
    let requests = try cookies.map { _ in try server.next(.read) }
    let shutdown = ErrorNumber.shutdown.rawValue
    server.send(
      replies == .simple
        ? Reply.simple(requests[1].cookie, error: shutdown)
        : Reply.error(requests[1].cookie, shutdown, last: true))
    // New ones wait, while the server answers what it has.
    let last = try scene.kernel.read(8 << 12, 512)
    #expect(server.isSilent(for: 50))
    for name in [0, 2] {
      let data = [UInt8].pattern(name, 512)
      server.send(
        replies == .simple
          ? Reply.simple(requests[name].cookie) + data
          : Reply.data(requests[name].cookie, UInt64(name) << 12, data, last: true))
      #expect(try scene.kernel.answer(cookies[name])?.data == data)
    }
    #expect(try scene.events.awaitDown() == .shuttingDown)
    _ = try server.next(.disconnect)
    #expect(try server.next() == nil)
    server = try peer.connect(scene)
    for cookie in [cookies[1], last] {
      server.reply(try server.next(.read), .pattern(7, 512))
      #expect(try scene.kernel.answer(cookie)?.data == .pattern(7, 512))
    }
  }
}
