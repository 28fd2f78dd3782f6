// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import NBD
internal import Relay
internal import Testing

/// What a given-up connection carried is sent again only when the server is done with it: rule drain.
struct DrainTests {
  private let peer: Peer
  private let scene: Scene

  init() throws {
    peer = try Peer()
    scene = try Scene(connections: 2)
  }

  /// A write is at the server when the connection is given up.
  private func giveUp(_ server: PeerConnection) throws -> (Cookie, PeerConnection.Request) {
    let write = try scene.kernel.write(0, .pattern(1, 4096))
    let request = try server.next(.write)
    scene.relay.reconnect()
    try scene.events.awaitDown()
    return (write, request)
  }

  @Test func `waits for a server that is slow with a write before it sends the write again`() throws
  {
    let server = try peer.connect(scene)
    let (write, request) = try giveUp(server)
    let next = try peer.connect(scene)
    // The relay has said that nothing more comes, and waits.
    #expect(try server.next() == nil)
    let read = try scene.kernel.read(8192, 512)
    #expect(next.isSilent(for: 300))
    server.reply(request)
    server.close()
    for _ in 0..<2 {
      let again = try #require(try next.next())
      next.reply(again, again.command == .read ? .pattern(3, 512) : [])
    }
    #expect(try scene.kernel.answer(write)?.error == 0)
    #expect(try scene.kernel.answer(read)?.error == 0)
    #expect(!scene.events.all.contains(.unconfirmed(connection: 0, changes: 1)))
  }

  @Test func `does not wait for reads, and ends their connections in order`() throws {
    let server = try peer.connect(scene)
    let read = try scene.kernel.read(0, 512)
    let request = try server.next(.read)
    scene.relay.reconnect()
    let next = try peer.connect(scene)
    next.reply(try next.next(.read), .pattern(2, 512))
    #expect(try scene.kernel.answer(read)?.data == .pattern(2, 512))
    // What it says late is not heard, and no error to it.
    server.reply(request, .pattern(1, 512))
    #expect(try server.next() == nil)
  }

  @Test func `sends the rest on other connections meanwhile, but not what may still be executed`()
    throws
  {
    let servers = [try peer.connect(scene), try peer.connect(scene, 1)]
    try scene.events.wait(for: .up(connection: 1))
    let write = try scene.kernel.write(0, .pattern(1, 4096))
    var carrier = 0
    var entries = servers.map { pollfd(fd: $0.socket.number, events: Int16(POLLIN), revents: 0) }
    _ = unsafe poll(&entries, 2, 5000)
    if entries[0].revents == 0 { carrier = 1 }
    let (slow, other) = (servers[carrier], servers[1 - carrier])
    let request = try slow.next(.write)
    // A reply to nothing ends that connection alone.
    slow.send(Reply.simple(99))
    try scene.events.awaitDown(carrier)
    let read = try scene.kernel.read(65536, 512)
    other.reply(try other.next(.read), .pattern(2, 512))
    #expect(try scene.kernel.answer(read)?.error == 0)
    #expect(other.isSilent(for: 200))
    slow.reply(request)
    slow.close()
    other.reply(try other.next(.write))
    #expect(try scene.kernel.answer(write)?.error == 0)
  }

  @Test func `goes on after a while with a server that cannot be waited for, and says so`() throws {
    let server = try peer.connect(scene)
    let (write, _) = try giveUp(server)
    let next = try peer.connect(scene)
    try scene.advance(by: .seconds(2))
    #expect(next.isSilent())
    try scene.advance(by: .seconds(3))
    next.reply(try next.next(.write))
    #expect(try scene.kernel.answer(write)?.error == 0)
    try scene.events.wait(for: .unconfirmed(connection: 0, changes: 1))
    withExtendedLifetime(server) {}
  }

  @Test func `replays nothing while a replay of before may still be executed`() throws {
    let server = try peer.connect(scene)
    for name in 1...2 {
      let write = try scene.kernel.write(0, .pattern(name, 4096))
      server.reply(try server.next(.write))
      #expect(try scene.kernel.answer(write)?.error == 0)
    }
    server.close()
    try scene.events.awaitDown()
    let slow = try peer.connect(scene)
    let first = try slow.next(.write)
    scene.relay.reconnect()
    let next = try peer.connect(scene)
    #expect(next.isSilent(for: 300))
    slow.reply(first)
    slow.close()
    for name in 1...2 {
      let request = try next.next(.write)
      #expect(request.data == .pattern(name, 4096))
      next.reply(request)
    }
    try scene.events.wait(for: .up(connection: 0))
  }

  @Test func `sends nothing after a write that failed and may still be executed`() throws {
    let servers = [try peer.connect(scene), try peer.connect(scene, 1)]
    try scene.events.wait(for: .up(connection: 1))
    scene.relay.change(giveUpAfter: .seconds(60), abandons: false)
    let write = try scene.kernel.write(0, .pattern(1, 4096))
    try scene.advance(by: .seconds(60))
    #expect(try scene.kernel.answer(write)?.error == UInt32(EIO))
    let second = try scene.kernel.write(0, .pattern(2, 4096))
    #expect(try !scene.kernel.isAnswered(second, within: .milliseconds(200)))
    let carriers = [0, 1].filter { !servers[$0].isSilent(for: 10) }
    let carrier = try #require(carriers.count == 1 ? carriers.first : nil)
    #expect(try servers[carrier].next(.write).data == .pattern(1, 4096))
    servers[carrier].close()
    let request = try servers[1 - carrier].next(.write)
    #expect(request.data == .pattern(2, 4096))
    servers[1 - carrier].reply(request)
    #expect(try scene.kernel.answer(second)?.error == 0)
  }

  /// As a storage hiccup: nbdkit takes 1.5 s for one write.
  @Test(.needsServers) func `a write that a real server executes late undoes no newer one`() throws
  {
    let server = try Server(
      "sh", "@/plugin",
      plugin: """
        #!/bin/sh
        case "$1" in
          get_size) echo 1048576 ;;
          thread_model) echo parallel ;;
          can_write | can_flush) exit 0 ;;
          pread) dd if=@/image bs=1 skip="$4" count="$3" status=none ;;
          pwrite)
            if mkdir @/slow 2>/dev/null; then cat >@/late; sleep 1.5; cat @/late; else cat; fi |
              dd of=@/image bs=4096 seek="$(($4 / 4096))" conv=notrunc status=none ;;
          flush) ;;
          *) exit 2 ;;
        esac
        """)
    try scene.bringUp(to: server)
    let late = try scene.kernel.write(0, .pattern(1, 4096))
    usleep(300_000)
    scene.relay.reconnect()
    try scene.events.awaitDown()
    try scene.bringUp(to: server)
    #expect(try scene.kernel.answer(late)?.error == 0)
    try scene.write(0, .pattern(2, 4096))
    usleep(2_000_000)
    #expect(try scene.read(0, 4096) == .pattern(2, 4096))
  }
}
