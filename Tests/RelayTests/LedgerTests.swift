// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD
internal import Relay
internal import Testing

/// What was acknowledged and not flushed survives a server that loses it: rules keep, cover, order, first.
struct LedgerTests {
  @Test(.needsServers, arguments: [true, false])
  func `loses nothing acknowledged with a server that loses its cache`(_ keeps: Bool) throws {
    let server = try Server("--filter=cache", "file", "@/image", "cache=writeback")
    let scene = try Scene { if !keeps { $0.without = [.keep] } }
    var disk = [UInt8](repeating: 0, count: 4 << 20)
    for round in 0..<4 {
      try scene.bringUp(to: server)
      for name in 0..<40 {
        let place = (name * 7 + round * 3) % 60 * 65536
        let data = [UInt8].pattern(name + 100 * round, 512 << (name % 9))
        let flags: NBD.CommandFlags = name % 11 == 5 ? .fua : []
        try scene.write(UInt64(place), data, flags)
        disk.replaceSubrange(place..<(place + data.count), with: data)
        if name == 9 { try scene.flush() }
        if name % 6 == 0 {
          #expect(try scene.perform(.writeZeroes, UInt64(place) + 512, 4096) == 0)
          disk.replaceSubrange(
            (place + 512)..<(place + 4608), with: [UInt8](repeating: 0, count: 4096))
        }
      }
      server.kill()
      try server.start()
      try scene.events.awaitDown()
    }
    try scene.bringUp(to: server)
    #expect(try scene.read(0, disk.count).isSame(as: disk) == keeps)
  }

  // Rows: T-011
  @Test func `covers by a flush only what was acknowledged before it was sent`() throws {
    let (scene, peer) = (try Scene(), try Peer())
    var server = try peer.connect(scene)
    let first = try scene.kernel.write(0, .pattern(1, 4096))
    server.reply(try server.next(.write))
    #expect(try scene.kernel.answer(first)?.error == 0)
    let flush = try scene.kernel.submit(.flush)
    let flushRequest = try server.next(.flush)
    let second = try scene.kernel.write(8192, .pattern(2, 4096))
    server.reply(try server.next(.write))
    #expect(try scene.kernel.answer(second)?.error == 0)
    server.reply(flushRequest)
    #expect(try scene.kernel.answer(flush)?.error == 0)
    try eventually("the first to be forgotten") { scene.unflushedBytes == 4096 }
    server.close()
    server = try peer.connect(scene)
    let repeated = try server.next(.write)
    #expect(repeated.header.offset == 8192)
    #expect(repeated.data == .pattern(2, 4096))
    #expect(server.isSilent())
    server.reply(repeated)
    try scene.events.wait(for: .up(connection: 0))
  }

  @Test func `repeats what overlaps in order, and sends nothing else before the end`() throws {
    let (scene, peer) = (try Scene(), try Peer())
    var server = try peer.connect(scene)
    for (name, offset) in [0, 4096, 65536].enumerated() {
      let write = try scene.kernel.write(UInt64(offset), .pattern(name, 8192))
      server.reply(try server.next(.write))
      #expect(try scene.kernel.answer(write)?.error == 0)
    }
    let read = try scene.kernel.read(0, 512)
    _ = try server.next(.read)
    server.close()
    try scene.events.awaitDown()
    let flush = try scene.kernel.submit(.flush)

    server = try peer.connect(scene)
    let first = try server.next(.write)
    #expect(first.data == .pattern(0, 8192))
    #expect(server.isSilent())
    server.reply(first)
    let others = [try server.next(.write), try server.next(.write)]
    #expect(others.map(\.data) == [.pattern(1, 8192), .pattern(2, 8192)])
    #expect(server.isSilent())
    server.reply(others[1])
    #expect(server.isSilent())
    server.reply(others[0])
    server.reply(try server.next(.read), .pattern(5, 512))
    server.reply(try server.next(.flush))
    #expect(try scene.kernel.answer(read)?.data == .pattern(5, 512))
    #expect(try scene.kernel.answer(flush)?.error == 0)
    try eventually("an empty ledger") { scene.unflushedBytes == 0 }
  }

  @Test func `acknowledges a durable write only when nothing kept can undo it`() throws {
    let (scene, peer) = (try Scene(), try Peer())
    let server = try peer.connect(scene)
    let old = try scene.kernel.write(0, .pattern(1, 4096))
    server.reply(try server.next(.write))
    #expect(try scene.kernel.answer(old)?.error == 0)
    let other = try scene.kernel.write(65536, .pattern(2, 4096), .fua)
    server.reply(try server.next(.write))
    #expect(try scene.kernel.answer(other)?.error == 0)
    let durable = try scene.kernel.write(2048, .pattern(3, 4096), .fua)
    server.reply(try server.next(.write))
    // A flush of the relay's own covers the old one first.
    let flush = try server.next(.flush)
    #expect(try !scene.kernel.isAnswered(durable))
    server.reply(flush)
    #expect(try scene.kernel.answer(durable)?.error == 0)
    try eventually("an empty ledger") { scene.unflushedBytes == 0 }
  }

  @Test func `sends a durable write again that was not acknowledged for that reason`() throws {
    let (scene, peer) = (try Scene(), try Peer())
    var server = try peer.connect(scene)
    let old = try scene.kernel.write(0, .pattern(1, 4096))
    server.reply(try server.next(.write))
    #expect(try scene.kernel.answer(old)?.error == 0)
    let durable = try scene.kernel.write(0, .pattern(2, 4096), .fua)
    server.reply(try server.next(.write))
    _ = try server.next(.flush)
    server.close()
    server = try peer.connect(scene)
    for name in 1...2 {
      let request = try server.next(.write)
      #expect(request.data == .pattern(name, 4096))
      server.reply(request)
    }
    server.reply(try server.next(.flush))
    #expect(try scene.kernel.answer(durable)?.error == 0)
  }

  @Test func `a server that cannot flush any more is taken at its word`() throws {
    let (scene, peer) = (try Scene { $0.kernelFlushes = false }, try Peer())
    var server = try peer.connect(scene)
    let write = try scene.kernel.write(0, .pattern(1, 4096))
    server.reply(try server.next(.write))
    #expect(try scene.kernel.answer(write)?.error == 0)
    // A kernel that was not told of flushes sends none.
    _ = try server.next(.flush)
    server.close()
    server = try peer.connect(scene, flags: Peer.usual.subtracting(.sendFlush))
    server.reply(try server.next(.write))
    try eventually("an empty ledger") { scene.unflushedBytes == 0 }
    let read = try scene.kernel.read(0, 512)
    server.reply(try server.next(.read), .pattern(1, 512))
    #expect(try scene.kernel.answer(read)?.error == 0)
    #expect(server.isSilent())
  }

  @Test func `keeps nothing durable, and nothing where a server offers no flush`() throws {
    let peer = try Peer()
    for flags in [Peer.usual, Peer.usual.subtracting(.sendFlush)] {
      let scene = try Scene()
      let server = try peer.connect(scene, flags: flags)
      let write = try scene.kernel.write(
        0, .pattern(1, 4096), flags.contains(.sendFlush) ? .fua : [])
      server.reply(try server.next(.write))
      #expect(try scene.kernel.answer(write)?.error == 0)
      server.close()
      try scene.events.awaitDown()
      #expect(scene.unflushedBytes == 0)
      let again = try peer.connect(scene, flags: flags)
      try scene.events.wait(for: .up(connection: 0))
      #expect(again.isSilent())
    }
  }

  @Test func `says what a server refuses to take again, and tries the next connection`() throws {
    let (scene, peer) = (try Scene(), try Peer())
    var server = try peer.connect(scene)
    let writes = try (0..<40).map { try scene.kernel.write(UInt64($0) << 12, .pattern($0, 4096)) }
    for write in writes {
      server.reply(try server.next(.write))
      #expect(try scene.kernel.answer(write)?.error == 0)
    }
    server.close()
    try scene.events.awaitDown()
    let read = try scene.kernel.read(0, 512)
    server = try peer.connect(scene)
    server.reply(try server.next(.write))
    server.reply(try server.next(.write), error: ErrorNumber.noSpace.rawValue)
    #expect(
      try scene.events.awaitDown() == .replayRefused(.noSpace, of: .write, waiting: 40 * 4096))
    #expect(try !scene.kernel.isAnswered(read))
    // Half of it, and all from the start on the connection after that.
    for most in [20, 40] {
      server = try peer.connect(scene)
      for name in 0..<most {
        let request = try server.next(.write)
        #expect(request.data == .pattern(name, 4096))
        server.reply(request)
      }
      if most == 20 {
        server.close()
        try scene.events.awaitDown()
      }
    }
    server.reply(try server.next(.read), .pattern(1, 512))
    #expect(try scene.kernel.answer(read)?.error == 0)
  }
}
