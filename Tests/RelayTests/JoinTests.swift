// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import NBD
internal import Relay
internal import Testing

/// Several connections at a time, some of which may reach a server that others do not: rule join.
struct JoinTests {
  private let scene: Scene
  private let peer: Peer

  init() throws { (scene, peer) = (try Scene(connections: 2), try Peer()) }

  /// A write that is acknowledged, and not covered.
  private func acknowledge(_ server: PeerConnection) throws {
    let write = try scene.kernel.write(0, .pattern(1, 4096))
    server.reply(try server.next(.write))
    #expect(try scene.kernel.answer(write)?.error == 0)
  }

  @Test func `gives a second connection nothing before a flush on the first has ended`() throws {
    let first = try peer.connect(scene)
    try acknowledge(first)
    // One that was sent before the connection came proves nothing.
    let early = try scene.kernel.submit(.flush)
    let earlyRequest = try first.next(.flush)
    try acknowledge(first)
    let second = try peer.connect(scene, 1)
    #expect(first.isSilent() && second.isSilent())
    first.reply(earlyRequest)
    #expect(try scene.kernel.answer(early)?.error == 0)
    let flush = try first.next(.flush)
    let reads = try (0..<8).map { try scene.kernel.read(UInt64($0) << 12, 4096) }
    for name in 0..<8 { first.reply(try first.next(.read), .pattern(name, 4096)) }
    for read in reads { #expect(try scene.kernel.answer(read)?.error == 0) }
    #expect(second.isSilent())
    #expect(!scene.events.all.contains(.up(connection: 1)))
    first.reply(flush)
    try scene.events.wait(for: .up(connection: 1))
    let both = try (0..<2).map { try scene.kernel.read(UInt64($0) << 12, 4096) }
    let (one, other) = (try first.next(.read), try second.next(.read))
    first.reply(one, .pattern(0, 4096))
    second.reply(other, .pattern(0, 4096))
    for read in both { #expect(try scene.kernel.answer(read)?.error == 0) }
  }

  @Test func `repeats all on the second connection if the first is lost before that`() throws {
    let first = try peer.connect(scene)
    try acknowledge(first)
    let second = try peer.connect(scene, 1)
    _ = try first.next(.flush)
    let read = try scene.kernel.read(0, 512)
    _ = try first.next(.read)
    first.close()
    let repeated = try second.next(.write)
    #expect(repeated.data == .pattern(1, 4096))
    #expect(second.isSilent())
    second.reply(repeated)
    try scene.events.wait(for: .up(connection: 1))
    second.reply(try second.next(.read), .pattern(0, 512))
    #expect(try scene.kernel.answer(read)?.error == 0)
  }

  @Test func `uses none of them when all are given up`() throws {
    let first = try peer.connect(scene)
    try acknowledge(first)
    let second = try peer.connect(scene, 1)
    _ = try first.next(.flush)
    scene.relay.reconnect()
    #expect(try scene.events.awaitDown(1) == .asked)
    #expect(try scene.events.awaitDown() == .asked)
    #expect(try second.next() == nil)
  }

  @Test func `waits for no flush where the server offers none`() throws {
    let flags = Peer.usual.subtracting(.sendFlush)
    let first = try peer.connect(scene, flags: flags)
    _ = try scene.kernel.write(0, .pattern(1, 4096))
    _ = try first.next(.write)
    let second = try peer.connect(scene, 1, flags: flags)
    try scene.events.wait(for: .up(connection: 1))
    #expect(second.isSilent())
    #expect(first.isSilent())
  }

  @Test func `moves requests to another connection at once when one is lost`() throws {
    let servers = [try peer.connect(scene), try peer.connect(scene, 1)]
    try scene.events.wait(for: .up(connection: 1))
    // Nothing can be sent to it any more, and nothing comes from it.
    servers[0].endReceiving()
    let read = try scene.kernel.read(0, 512)
    servers[1].reply(try servers[1].next(.read), .pattern(3, 512))
    #expect(try scene.kernel.answer(read)?.data == .pattern(3, 512))
    #expect(try scene.events.awaitDown() != .asked)
  }

  @Test func `repeats on the second connection at once when nothing can be sent to the first`()
    throws
  {
    let first = try peer.connect(scene)
    try acknowledge(first)
    first.endReceiving()
    let second = try peer.connect(scene, 1)
    #expect(try second.next(.write).data == .pattern(1, 4096))
  }

  @Test func `gives up with a silent connection those that have said nothing since`() throws {
    let scene = try Scene(connections: 2) { $0.requestTimeout = .seconds(60) }
    let first = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    let second = try peer.connect(scene, 1)
    try scene.events.wait(for: .up(connection: 1))
    let read = try scene.kernel.read(0, 512)
    _ = try first.next(.read)
    try scene.advance(by: .seconds(60))
    // Not asked in vain on the other as well, for twice as long.
    let end = ConnectionEnd.silent(.seconds(60))
    #expect(try scene.events.awaitDown(0) == end)
    #expect(try scene.events.awaitDown(1) == end)
    withExtendedLifetime(second) {}
    let third = try peer.connect(scene)
    third.reply(try third.next(.read), .pattern(1, 512))
    #expect(try scene.kernel.answer(read)?.data == .pattern(1, 512))
  }
}
