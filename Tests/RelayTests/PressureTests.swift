// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import NBD
internal import Relay
internal import Testing

/// More than one side can take at a time.
struct PressureTests {
  @Test(.needsServers) func `waits for a kernel that does not take its answers`() throws {
    let server = try Server("memory", "64M")
    let scene = try Scene(sockets: 2)
    try scene.bringUp(to: server)
    // Not even a part of the answers fits where they wait.
    let reads = try (0..<200).map { try scene.kernel.read(UInt64($0 % 32) << 20, 1 << 20) }
    let writes = try (0..<100).map { try scene.kernel.write(40 << 20, .pattern($0, 65536)) }
    usleep(300_000)
    for cookie in reads {
      #expect(try scene.kernel.answer(cookie)?.data.count == 1 << 20)
    }
    for cookie in writes { #expect(try scene.kernel.answer(cookie)?.error == 0) }
  }

  @Test(.needsServers, arguments: Server.Link.allCases)
  func `waits for a server that does not take requests`(_ link: Server.Link) throws {
    let server = try Server("memory", "64M", link: link)
    let scene = try Scene()
    try scene.bringUp(to: server)
    server.hold(true)
    let writes = try (0..<400).map { try scene.kernel.write(UInt64($0) << 16, .pattern($0, 65536)) }
    for _ in 0..<20 { try scene.kernel.turn(10) }
    #expect(scene.answeredCount == 0)
    server.hold(false)
    for cookie in writes { #expect(try scene.kernel.answer(cookie)?.error == 0) }
    for name in [0, 200, 399] {
      #expect(try scene.read(UInt64(name) << 16, 65536) == .pattern(name, 65536))
    }
  }

  @Test(.needsServers, arguments: [NBD.Command.write, .trim])
  func `flushes by itself before too much waits for one`(_ command: NBD.Command) throws {
    let server = try Server("--filter=log", "memory", "64M", "logfile=@/log")
    let scene = try Scene { $0.unflushedLimit = 4 << 20 }
    try scene.bringUp(to: server)
    let data = [UInt8].pattern(1, 16384)
    var cookies: [Cookie] = []
    var most = 0
    for name in 0..<(command == .write ? 3000 : 20_000) {
      let offset = UInt64(name % 1000) << 16
      cookies.append(
        command == .write
          ? try scene.kernel.write(offset, data)
          : try scene.kernel.submit(.trim, offset, 512))
      if name % 16 == 0 { try scene.kernel.turn(0) }
      most = max(most, scene.unflushedBytes)
    }
    for cookie in cookies { #expect(try scene.kernel.answer(cookie)?.error == 0) }
    // Beside the limit there are at most 256 under way.
    #expect(most <= 8 << 20)
    try eventually("another flush") { scene.unflushedBytes <= 2 << 20 }
    try eventually("a flush in the log") {
      File.contents(of: server.file("log"))?.contains(" Flush ") == true
    }
  }

  @Test func `holds writes back at the limit until a flush has ended`() throws {
    let peer = try Peer()
    let scene = try Scene { $0.unflushedLimit = 1 << 20 }
    let server = try peer.connect(scene)
    let write = try scene.kernel.write(0, .pattern(1, 1 << 20))
    server.reply(try server.next(.write))
    #expect(try scene.kernel.answer(write)?.error == 0)
    let flush = try server.next(.flush)
    let other = try scene.kernel.write(0, .pattern(2, 512))
    #expect(server.isSilent())
    server.reply(flush)
    // Which it wanted again as soon as it had to hold something back.
    var request = try #require(try server.next())
    if request.command == .flush {
      server.reply(request)
      request = try server.next(.write)
    }
    server.reply(request)
    #expect(try scene.kernel.answer(other)?.error == 0)
  }

  @Test func `holds writes back while there is no room, and goes on when there is`() throws {
    let peer = try Peer()
    let scene = try Scene { $0.unflushedLimit = 32 << 20 }
    let server = try peer.connect(scene)
    var cookies: [Cookie] = []
    for name in 0..<3 { cookies.append(try scene.kernel.write(0, .pattern(name, 14 << 20))) }
    for _ in 0..<2 { server.reply(try server.next(.write)) }
    for cookie in cookies.prefix(2) { #expect(try scene.kernel.answer(cookie)?.error == 0) }
    let flush = try server.next(.flush)
    #expect(server.isSilent())
    server.reply(flush)
    var last = try #require(try server.next())
    // The second may have been too late for the first flush.
    if last.command == .flush {
      server.reply(last)
      last = try server.next(.write)
    }
    #expect(last.data.isSame(as: .pattern(2, 14 << 20)))
    server.reply(last)
    #expect(try scene.kernel.answer(cookies[2])?.error == 0)
  }
}
