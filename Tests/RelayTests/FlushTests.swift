// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD
internal import Testing
internal import Transport

@testable import Relay

/// Flushes that fail, that overtake each other, or whose replies are lost (rules `fail`, `fail alone` and
/// `fail unknown`).
struct FlushTests {
  private let peer: Peer
  private let scene: Scene

  init() throws {
    peer = try Peer()
    scene = try Scene(connections: 2) { $0.unflushedLimit = 1 << 20 }
  }

  /// A write that is acknowledged, and not covered.
  private func acknowledge(_ server: PeerConnection, _ count: Int = 4096) throws {
    let write = try scene.kernel.write(0, .pattern(1, count))
    server.reply(try server.next(.write))
    #expect(try scene.kernel.answer(write)?.error == 0)
  }

  private static let failed = ErrorNumber.inputOutput

  @Test func `tells the kernel that its flush failed, and sends again what it was to cover`() throws
  {
    let first = try peer.connect(scene)
    try acknowledge(first)
    let flush = try scene.kernel.submit(.flush)
    first.reply(try first.next(.flush), error: Self.failed.rawValue)
    #expect(try scene.kernel.answer(flush)?.error == Self.failed.rawValue)
    #expect(try scene.events.awaitDown() == .flushFailed(Self.failed, isTold: true))
    let second = try peer.connect(scene)
    let repeated = try second.next(.write)
    #expect(repeated.data == .pattern(1, 4096))
    second.reply(repeated)
    #expect(scene.unflushedBytes == 4096)
    let again = try scene.kernel.submit(.flush)
    second.reply(try second.next(.flush))
    #expect(try scene.kernel.answer(again)?.error == 0)
    try eventually("an empty ledger") { scene.unflushedBytes == 0 }
  }

  @Test func `a flush of its own that fails is an outage that tells why`() throws {
    let first = try peer.connect(scene)
    try acknowledge(first, 1 << 20)
    first.reply(try first.next(.flush), error: Self.failed.rawValue)
    let end = try scene.events.awaitDown()
    #expect(end == .flushFailed(Self.failed, isTold: false))
    #expect(end.isPersistent)
    let second = try peer.connect(scene)
    second.reply(try second.next(.write))
    // It is tried again by itself.
    second.reply(try second.next(.flush))
    try eventually("an empty ledger") { scene.unflushedBytes == 0 }
  }

  @Test func `a write under way may be lost with a flush that fails, and is sent again`() throws {
    let first = try peer.connect(scene)
    let write = try scene.kernel.write(0, .pattern(1, 4096))
    _ = try first.next(.write)
    let flush = try scene.kernel.submit(.flush)
    first.reply(try first.next(.flush), error: Self.failed.rawValue)
    #expect(try scene.kernel.answer(flush)?.error == Self.failed.rawValue)
    #expect(try scene.events.awaitDown() == .flushFailed(Self.failed, isTold: true))
    first.close()
    let second = try peer.connect(scene)
    second.reply(try second.next(.write))
    #expect(try scene.kernel.answer(write)?.error == 0)
  }

  @Test func `a durable write that fails is a flush that fails`() throws {
    let first = try peer.connect(scene)
    try acknowledge(first)
    let durable = try scene.kernel.write(8192, .pattern(2, 4096), .fua)
    first.reply(try first.next(.write), error: Self.failed.rawValue)
    #expect(try scene.kernel.answer(durable)?.error == Self.failed.rawValue)
    #expect(try scene.events.awaitDown() == .flushFailed(Self.failed, isTold: true))
    let second = try peer.connect(scene)
    #expect(try second.next(.write).data == .pattern(1, 4096))
  }

  @Test func `a flush hides no durable write that failed before it`() throws {
    let first = try peer.connect(scene)
    try acknowledge(first)
    let durable = try scene.kernel.write(8192, .pattern(2, 4096), .fua)
    let write = try first.next(.write)
    let flush = try scene.kernel.submit(.flush)
    first.reply(try first.next(.flush))
    #expect(try !scene.kernel.isAnswered(flush))
    #expect(scene.unflushedBytes == 4096)
    first.reply(write, error: Self.failed.rawValue)
    #expect(try scene.kernel.answer(durable)?.error == Self.failed.rawValue)
    first.close()
    let second = try peer.connect(scene)
    second.reply(try second.next(.write))
    second.reply(try second.next(.flush))
    #expect(try scene.kernel.answer(flush)?.error == 0)
  }

  @Test(arguments: [0, failed.rawValue])
  func `a flush beside a durable write is answered after it`(_ error: UInt32) throws {
    let server = try peer.connect(scene)
    let durable = try scene.kernel.write(8192, .pattern(2, 4096), .fua)
    let write = try server.next(.write)
    let flush = try scene.kernel.submit(.flush)
    server.reply(try server.next(.flush))
    #expect(try !scene.kernel.isAnswered(flush))
    server.reply(write, error: error)
    #expect(try scene.kernel.answer(durable)?.error == error)
    #expect(try scene.kernel.answer(flush)?.error == 0)
  }

  @Test func `a flush that fails with nothing to lose is the kernel's affair alone`() throws {
    let server = try peer.connect(scene)
    let flush = try scene.kernel.submit(.flush)
    server.reply(try server.next(.flush), error: ErrorNumber.invalid.rawValue)
    #expect(try scene.kernel.answer(flush)?.error == ErrorNumber.invalid.rawValue)
    let read = try scene.kernel.read(0, 512)
    server.reply(try server.next(.read), .pattern(1, 512))
    #expect(try scene.kernel.answer(read)?.error == 0)
  }

  @Test func `sends one flush at a time, and lets all else pass`() throws {
    let server = try peer.connect(scene)
    let flushes = try (0..<3).map { _ in try scene.kernel.submit(.flush) }
    for flush in flushes {
      let request = try server.next(.flush)
      let read = try scene.kernel.read(0, 512)
      server.reply(try server.next(.read), .pattern(1, 512))
      #expect(try scene.kernel.answer(read)?.error == 0)
      #expect(server.isSilent(for: 50))
      server.reply(request)
      #expect(try scene.kernel.answer(flush)?.error == 0)
    }
  }

  @Test func `a connection lost with a flush takes the others with it`() throws {
    let first = try peer.connect(scene)
    let second = try peer.connect(scene, 1)
    try scene.events.wait(for: .up(connection: 1))
    let flush = try scene.kernel.submit(.flush)
    let request = try first.next()
    let bearer = request == nil ? second : first
    bearer.close()
    let other = request == nil ? 0 : 1
    try scene.events.wait(for: .down(connection: other, .besideLostFlush))
    let third = try peer.connect(scene)
    third.reply(try third.next(.flush))
    #expect(try scene.kernel.answer(flush)?.error == 0)
  }
}
