// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import NBD
internal import Relay
internal import Testing

/// How long whoever uses the device waits, whatever the server does or does not do.
struct PatienceTests {
  private let peer: Peer

  init() throws { peer = try Peer() }

  private static let limit = Duration.seconds(60)

  private func scene(abandons: Bool = false, answerRoom: CInt? = nil) throws -> Scene {
    try Scene(answerRoom: answerRoom) {
      $0.giveUpAfter = Self.limit
      $0.abandons = abandons
    }
  }

  @Test func `a request that a server never answers fails, and the others go on`() throws {
    let scene = try scene()
    var server = try peer.connect(scene)
    let read = try scene.kernel.read(0, 512)
    _ = try server.next(.read)
    try scene.advance(by: Self.limit / 2)
    let later = try scene.kernel.read(4096, 512)
    _ = try server.next(.read)
    #expect(try !scene.kernel.isAnswered(read))
    try scene.advance(by: Self.limit / 2)
    #expect(try scene.kernel.answer(read)?.error == UInt32(EIO))
    try scene.events.wait(for: .gaveUp(requests: 1))
    server = try peer.connect(scene)
    let again = try server.next(.read)
    #expect(again.header.offset == 4096)
    server.reply(again, .pattern(1, 512))
    #expect(try scene.kernel.answer(later)?.error == 0)
  }

  @Test func `a request that makes the server hang up again and again fails`() throws {
    let scene = try scene()
    let read = try scene.kernel.read(0, 512)
    let end = ContinuousClock.now + patience
    while try !scene.kernel.isAnswered(read, within: .milliseconds(1)) {
      try #require(ContinuousClock.now < end)
      let server = try peer.connect(scene)
      try scene.events.wait { if case .up = $0 { true } else { false } }
      if !server.isSilent(for: 20) { _ = try server.next() }
      server.close()
      try scene.events.awaitDown()
      try scene.advance(by: Self.limit / 5)
    }
    #expect(try scene.kernel.answer(read)?.error == UInt32(EIO))
    let server = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    let other = try scene.kernel.read(4096, 512)
    server.reply(try server.next(.read), .pattern(1, 512))
    #expect(try scene.kernel.answer(other)?.error == 0)
  }

  @Test func `by hand, what has waited for a second fails, also with a server`() throws {
    let scene = try Scene()
    var server = try peer.connect(scene)
    let write = try scene.kernel.write(0, .pattern(1, 4096))
    _ = try server.next(.write)
    try scene.advance(by: .seconds(1))
    let read = try scene.kernel.read(0, 512)
    _ = try server.next(.read)
    scene.relay.giveUp()
    #expect(try scene.kernel.answer(write)?.error == UInt32(EIO))
    server.close()
    server = try peer.connect(scene)
    server.reply(try server.next(.read), .pattern(1, 512))
    #expect(try scene.kernel.answer(read)?.error == 0)
  }

  @Test func `an outage fails what waits in it, counted from when it began to wait`() throws {
    let scene = try scene()
    let server = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    server.close()
    try scene.events.awaitDown()
    try scene.advance(by: Self.limit * 1.5)
    let read = try scene.kernel.read(0, 512)
    try scene.advance(by: Self.limit / 2)
    #expect(try !scene.kernel.isAnswered(read))
    try scene.advance(by: Self.limit / 2)
    #expect(try scene.kernel.answer(read)?.error == UInt32(EIO))
    #expect(try scene.perform(.read, 0, 512) == UInt32(EIO))
  }

  @Test(arguments: [true, false])
  func `an export that is abandoned gets nothing any more`(_ isByHand: Bool) throws {
    let scene = try isByHand ? Scene() : scene(abandons: true)
    let server = try peer.connect(scene)
    let write = try scene.kernel.write(0, .pattern(1, 4096))
    server.reply(try server.next(.write))
    #expect(try scene.kernel.answer(write)?.error == 0)
    server.close()
    try scene.events.awaitDown()
    let held = try scene.kernel.write(8192, .pattern(2, 4096))
    try scene.advance(by: isByHand ? .zero : Self.limit)
    if isByHand { scene.relay.abandon() }
    #expect(try scene.kernel.answer(held)?.error == UInt32(EIO))
    try scene.events.wait(for: .abandoned(unflushedBytes: 4096, requests: 1))
    #expect(try scene.perform(.write, 0, 0, data: .pattern(3, 512)) == UInt32(EIO))
    let late = try peer.connect(scene)
    // Not even what was acknowledged.
    #expect(try late.next() == nil)
    #expect(try scene.perform(.read, 0, 512) == UInt32(EIO))
    #expect(scene.unflushedBytes == 0)
  }

  @Test func `a server that is heard of is not abandoned, however long nobody asks for anything`()
    throws
  {
    let scene = try scene(abandons: true)
    let server = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    try scene.advance(by: Self.limit * 1.5)
    server.close()
    try scene.events.awaitDown()
    let next = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    let read = try scene.kernel.read(0, 512)
    next.reply(try next.next(.read), .pattern(1, 512))
    #expect(try scene.kernel.answer(read)?.error == 0)
  }

  @Test func `bounds that come before the first connection abandon nothing`() throws {
    let scene = try Scene()
    scene.relay.change(giveUpAfter: Self.limit, abandons: true)
    try scene.advance(by: Self.limit / 2)
    let server = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    let read = try scene.kernel.read(0, 512)
    server.reply(try server.next(.read), .pattern(1, 512))
    #expect(try scene.kernel.answer(read)?.error == 0)
  }

  @Test(arguments: [true, false])
  func `a write that waits for room fails in time too`(_ isOutage: Bool) throws {
    let scene = try Scene {
      $0.giveUpAfter = Self.limit
      $0.unflushedLimit = 1 << 20
    }
    var server = try peer.connect(scene)
    let write = try scene.kernel.write(0, .pattern(1, 1 << 20))
    server.reply(try server.next(.write))
    #expect(try scene.kernel.answer(write)?.error == 0)
    // The relay's own flush is not answered, so there is no room.
    _ = try server.next(.flush)
    if isOutage {
      server.close()
      try scene.events.awaitDown()
    }
    let held = try scene.kernel.write(2 << 20, .pattern(2, 4096))
    try scene.advance(by: Self.limit)
    #expect(try scene.kernel.answer(held)?.error == UInt32(EIO))
    server.close()
    server = try peer.connect(scene)
    server.reply(try server.next(.write))
    try scene.events.wait { if case .up = $0 { true } else { false } }
    server.reply(try server.next(.flush))
    let next = try scene.kernel.write(2 << 20, .pattern(3, 4096))
    server.reply(try server.next(.write))
    #expect(try scene.kernel.answer(next)?.error == 0)
  }

  @Test func `an outage without requests is abandoned all the same`() throws {
    let scene = try scene(abandons: true)
    let server = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    server.close()
    try scene.events.awaitDown()
    try scene.advance(by: Self.limit)
    try scene.events.wait(for: .abandoned(unflushedBytes: 0, requests: 0))
    #expect(try scene.perform(.read, 0, 512) == UInt32(EIO))
  }

  @Test func `an export is abandoned after the machine has slept for so long`() throws {
    let scene = try scene(abandons: true)
    let server = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    // Longer than the limit: the two clocks are read one after the other.
    try scene.suspend(for: Self.limit + .seconds(1))
    try scene.events.wait(for: .abandoned(unflushedBytes: 0, requests: 0))
    #expect(try scene.events.awaitDown() == .abandoned)
    withExtendedLifetime(server) {}
  }

  @Test func `an export that is abandoned does not use a connection that has just joined`() throws {
    let scene = try Scene(connections: 2)
    let first = try peer.connect(scene)
    let write = try scene.kernel.write(0, .pattern(1, 4096))
    first.reply(try first.next(.write))
    #expect(try scene.kernel.answer(write)?.error == 0)
    // It waits for a flush on the first.
    let second = try peer.connect(scene, 1)
    _ = try first.next(.flush)
    scene.relay.abandon()
    #expect(try second.next() == nil)
    #expect(try scene.perform(.read, 0, 512) == UInt32(EIO))
    let ends = (0..<2).map { DeviceRelay.Event.down(connection: $0, .abandoned) }
    let events = scene.events.all
    #expect(
      events.prefix(2) == [.up(connection: 0), .abandoned(unflushedBytes: 4096, requests: 0)])
    #expect(events.dropFirst(2).allSatisfy(ends.contains) && ends.allSatisfy(events.contains))
    #expect(scene.unflushedBytes == 0)
  }

  /// A kernel that reads no answers, until the sockets take no more and requests wait for room.
  private func fill(_ scene: Scene, _ server: PeerConnection) throws -> [Cookie] {
    let reads = try (0..<600).map { try scene.kernel.read(UInt64($0) << 12, 4096) }
    try answer(server)
    try scene.settle()
    #expect(scene.heldCount == 256)
    return reads
  }

  /// Answers what the server has been asked for.
  private func answer(_ server: PeerConnection) throws {
    while !server.isSilent(for: 50) { server.reply(try server.next(.read), .pattern(1, 4096)) }
  }

  private func reportCount(_ scene: Scene) -> Int {
    scene.events.all.count { if case .gaveUp = $0 { true } else { false } }
  }

  @Test func `no connection is blamed for answers that the kernel does not read`() throws {
    let scene = try scene(answerRoom: 32 << 10)
    let server = try peer.connect(scene)
    let reads = try fill(scene, server)
    for _ in 0..<3 { try scene.advance(by: Self.limit) }
    // Nothing is left to wait for but the kernel.
    let before = scene.clock.readCount
    usleep(100_000)
    #expect(scene.clock.readCount <= before + 4)
    #expect(scene.events.all == [.up(connection: 0)])
    while scene.kernel.awaitedCount > 0 {
      try scene.kernel.turn(10)
      try answer(server)
    }
    for read in reads { #expect(scene.kernel.takeAnswer(read)?.error == 0) }
  }

  @Test func `what is given up is reported once, also if the kernel does not read it`() throws {
    let scene = try scene(answerRoom: 32 << 10)
    let server = try peer.connect(scene)
    let reads = try fill(scene, server)
    // Some answers are read, so that some requests reach the server, which does not answer any more.
    for read in reads.prefix(40) { #expect(try scene.kernel.answer(read)?.error == 0) }
    #expect(!server.isSilent())
    for _ in 0..<3 { try scene.advance(by: Self.limit) }
    #expect(try scene.events.awaitDown() == .overdue)
    #expect(reportCount(scene) == 1)
    let before = scene.clock.readCount
    usleep(100_000)
    #expect(scene.clock.readCount <= before + 4)
  }
}
