// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import NBD
internal import Relay
internal import Testing
internal import Transport

/// How it ends, and what is left then.
struct EndTests {
  enum Cause: CaseIterable { case stop, goodbye, closing, unreadable }

  @Test(arguments: Cause.allCases)
  func `says goodbye to the server, reports it once and leaves nothing open`(
    _ cause: Cause
  ) throws {
    let peer = try Peer()
    weak var stream: Descriptor?
    var server: PeerConnection?
    var socket: KernelSide?
    var events: Events?
    do {
      let scene = try Scene()
      let (own, other) = try peer.stream()
      stream = own.socket.descriptor
      let export = Export(name: "", sizeBytes: 1 << 30, flags: Peer.usual.union(.hasFlags))
      scene.relay.use(HandedStream(own), Negotiated(export: export), as: 0)
      let connection = PeerConnection(other, .simple)
      server = connection
      let write = try scene.kernel.write(0, .pattern(1, 4096))
      connection.reply(try connection.next(.write))
      #expect(try scene.kernel.answer(write)?.error == 0)
      switch cause {
      case .stop: scene.relay.stop()
      case .goodbye: try scene.kernel.disconnect()
      case .closing: scene.kernel.close()
      case .unreadable:
        // The first answer cannot be given.
        scene.kernel.endReceiving()
        _ = try scene.kernel.read(0, 512)
        connection.reply(try connection.next(.read), .pattern(1, 512))
      }
      #expect(try scene.hasEnded())
      (socket, events) = (scene.kernel, scene.events)
    }
    let last = try #require(try server?.next())
    #expect(last.command == .disconnect)
    #expect(try server?.next() == nil)
    #expect(stream == nil)
    #expect(events?.all == [.up(connection: 0), .ended(unflushedBytes: 4096)])
    try socket?.turn(1000)
    #expect(socket?.isClosed == true)
  }

  @Test func `ends with the kernel while requests wait for a connection`() throws {
    let scene = try Scene()
    // More than it takes at a time.
    for name in 0..<300 { _ = try scene.kernel.read(UInt64(name) << 9, 512) }
    try scene.settle()
    try scene.kernel.disconnect()
    scene.kernel.close()
    #expect(try scene.hasEnded())
    #expect(scene.events.all == [.ended(unflushedBytes: 0)])
  }

  @Test func `goes on when the kernel gives one of several sockets up`() throws {
    let (scene, peer) = (try Scene(sockets: 2), try Peer())
    let server = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    let gone = scene.kernels[1]
    // One that is under way, one that waits, one that is half here.
    _ = try gone.read(0, 16 << 20)
    let read = try server.next(.read)
    _ = try gone.write(0, .pattern(1, 4096))
    let write = try server.next(.write)
    gone.close()
    server.reply(read, .pattern(1, 16 << 20))
    server.reply(write)
    // As often as it takes to need the room that the other has had.
    for name in 0..<600 {
      let (offset, size) = (UInt64(name) << 9, name % 100 == 0 ? 30 << 20 : 512)
      let again = try scene.kernel.read(offset, size)
      server.reply(try server.next(.read), .pattern(name, size))
      #expect(try scene.kernel.answer(again)?.data.isSame(as: .pattern(name, size)) == true)
    }
    try eventually("nothing held") { scene.heldCount == 0 }
  }

  @Test func `does not repeat what came over a socket that the kernel has given up`() throws {
    let (scene, peer) = (try Scene(sockets: 2), try Peer())
    var server = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    _ = try scene.kernels[1].write(0, .pattern(1, 4096))
    _ = try server.next(.write)
    scene.kernels[1].close()
    try scene.settle()
    server.close()
    try scene.events.awaitDown()
    let write = try scene.kernel.write(0, .pattern(2, 4096))
    server = try peer.connect(scene)
    let only = try server.next(.write)
    #expect(only.data == .pattern(2, 4096))
    server.reply(only)
    #expect(try scene.kernel.answer(write)?.error == 0)
    #expect(server.isSilent())
  }
}
