// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import NBD
internal import Relay
internal import Testing

/// How long whoever uses the device waits, whatever the server does or does not do.
@Suite(.serialized)
struct PatienceTests {
  private let peer: Peer

  init() throws { peer = try Peer() }

  private func scene(_ lanes: Int = 1, abandons: Bool = false) throws -> Scene {
    try Scene(lanes: lanes) {
      $0.giveUpAfter = .seconds(1)
      $0.abandons = abandons
    }
  }

  @Test func `a request that a server never answers fails, and the others go on`() throws {
    let scene = try scene()
    var server = try peer.connect(scene)
    let read = try scene.kernel.read(0, 512)
    let start = ContinuousClock.now
    _ = try server.next(.read)
    usleep(500_000)
    let later = try scene.kernel.read(4096, 512)
    _ = try server.next(.read)
    #expect(try scene.kernel.answer(read)?.error == UInt32(EIO))
    #expect(start.duration(to: .now) >= .seconds(1))
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
    usleep(1_100_000)
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
    usleep(1_500_000)
    let read = try scene.kernel.read(0, 512)
    #expect(try !scene.kernel.isAnswered(read, within: .milliseconds(500)))
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
    if isByHand {
      for _ in 0..<10 { try scene.kernel.turn(5) }
      scene.relay.abandon()
    }
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
    usleep(1_500_000)
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
    scene.relay.change(giveUpAfter: .seconds(60), abandons: true)
    usleep(100_000)
    let server = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    let read = try scene.kernel.read(0, 512)
    server.reply(try server.next(.read), .pattern(1, 512))
    #expect(try scene.kernel.answer(read)?.error == 0)
  }

  @Test(arguments: [true, false])
  func `a write that waits for room fails in time too`(_ isOutage: Bool) throws {
    let scene = try Scene {
      $0.giveUpAfter = .seconds(1)
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
    try scene.events.wait(for: .abandoned(unflushedBytes: 0, requests: 0))
    #expect(try scene.perform(.read, 0, 512) == UInt32(EIO))
  }
}
