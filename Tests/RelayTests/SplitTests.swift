// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD
internal import Relay
internal import Testing

/// Requests that are longer than the server takes.
struct SplitTests {
  private static let sizes = BlockSizes(minimum: 512, preferred: 4096, maximumPayload: 10_000)
  private let scene: Scene
  private let peer: Peer

  init() throws { (scene, peer) = (try Scene(), try Peer()) }

  @Test(.needsServers) func `keeps to the largest size of a real server`() throws {
    let server = try Server(
      "--filter=blocksize-policy", "memory", "64M", "blocksize-minimum=512",
      "blocksize-preferred=4096", "blocksize-maximum=64K", "blocksize-error-policy=error")
    try scene.bringUp(to: server)
    let data = [UInt8].pattern(1, (8 << 20) + 512)
    try scene.write(4096, data)
    #expect(try scene.read(4096, data.count).isSame(as: data))
    #expect(try scene.perform(.writeZeroes, 0, 32768) == 0)
  }

  @Test func `goes piece by piece, in whole blocks`() throws {
    let server = try peer.connect(scene, blockSizes: Self.sizes)
    let data = [UInt8].pattern(1, 25 * 1024)
    let write = try scene.kernel.write(512, data, .fua)
    let read = try scene.kernel.read(512, data.count)
    var pieces: [Cookie: [(Int, Int)]] = [:]
    var disk: [UInt8] = []
    while scene.answeredCount < 2, !server.isSilent(for: 500) {
      guard let request = try server.next() else { break }
      let (place, count) = (Int(request.header.offset) - 512, Int(request.header.length))
      pieces[request.header.flags == .fua ? 0 : 1, default: []].append((place, count))
      disk += request.data
      server.reply(request, request.command == .read ? Array(data[place..<(place + count)]) : [])
    }
    for kind: Cookie in 0...1 {
      let places = pieces[kind] ?? []
      #expect(places.map(\.0) == [0, 9728, 19456])
      #expect(places.map(\.1) == [9728, 9728, 6144])
    }
    #expect(disk == data)
    #expect(try scene.kernel.answer(write)?.error == 0)
    #expect(try scene.kernel.answer(read)?.data == data)
  }

  @Test func `passes the error of a piece on, and begins anew after an outage`() throws {
    var server = try peer.connect(scene, blockSizes: Self.sizes)
    let failed = try scene.kernel.read(0, 20_480)
    server.reply(try server.next(.read), .pattern(1, 9728))
    server.reply(try server.next(.read), error: 28)
    #expect(try scene.kernel.answer(failed)?.error == 28)
    let data = [UInt8].pattern(2, 20_480)
    let write = try scene.kernel.write(0, data)
    server.reply(try server.next(.write))
    _ = try server.next(.write)
    server.close()
    // The next server takes it whole.
    try scene.events.awaitDown()
    server = try peer.connect(scene)
    let request = try server.next(.write)
    #expect(request.header.offset == 0)
    #expect(request.data == data)
    server.reply(request)
    #expect(try scene.kernel.answer(write)?.error == 0)
    // And the one after that takes what it lost in pieces again.
    server.close()
    try scene.events.awaitDown()
    server = try peer.connect(scene, blockSizes: Self.sizes)
    var repeated: [UInt8] = []
    for _ in 0..<3 {
      let piece = try server.next(.write)
      repeated += piece.data
      server.reply(piece)
    }
    #expect(repeated == data)
    try scene.events.wait { $0 == .up(connection: 0) }
  }
}
