// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import NBD
internal import Testing

/// Requests and answers with real servers, while nothing is wrong.
@Suite(.needsServers)
struct PassThroughTests {
  @Test(arguments: [ReplyStyle.simple, .structured])
  func `passes requests of all sizes and kinds on`(_ replies: ReplyStyle) throws {
    let server =
      replies == .simple ? try Server("--no-sr", "memory", "64M") : try Server("memory", "64M")
    let scene = try Scene()
    try scene.bringUp(to: server, replies)
    for (name, size) in [512, 4096, 65536, 131_072, (1 << 20) + 512, 32 << 20].enumerated() {
      let data = [UInt8].pattern(name, size)
      try scene.write(1024, data)
      #expect(try scene.read(1024, size).isSame(as: data), "\(size)")
    }
    #expect(try scene.perform(.flush) == 0)
    try scene.write(4096, .pattern(9, 4096), .fua)
    #expect(try scene.perform(.trim, 4096, 4096) == 0)
    #expect(try scene.read(4096, 4096).isSame(as: Array(repeating: 0, count: 4096)))
    #expect(try scene.perform(.writeZeroes, 0, 1 << 20, .noHole) == 0)
    #expect(try scene.read(0, 1 << 20).isSame(as: Array(repeating: 0, count: 1 << 20)))
    try eventually("the count") { scene.answeredCount == 18 }
  }

  @Test func `keeps many requests in flight, and answers each in its own time`() throws {
    let server = try Server("--filter=delay", "memory", "64M", "delay-read=20ms")
    let scene = try Scene()
    try scene.bringUp(to: server)
    let writes = try (0..<200).map { try scene.kernel.write(UInt64($0) << 16, .pattern($0, 65536)) }
    for write in writes { #expect(try scene.kernel.answer(write)?.error == 0) }
    let start = ContinuousClock.now
    let reads = try (0..<200).map { try scene.kernel.read(UInt64($0) << 16, 65536) }
    for (name, read) in reads.enumerated() {
      let answer = try #require(try scene.kernel.answer(read))
      #expect(answer.data.isSame(as: .pattern(name, 65536)), "\(name)")
    }
    // One after the other they would take four seconds.
    #expect(start.duration(to: .now) < .seconds(3))
  }

  @Test func `serves several sockets over one connection, and one over several`() throws {
    let server = try Server("memory", "64M")
    for (sockets, connections) in [(4, 1), (1, 4), (3, 2)] {
      let scene = try Scene(connections: connections, sockets: sockets)
      for connection in 0..<connections { try scene.bringUp(connection, to: server) }
      let cookies = try scene.kernels.enumerated().map { index, kernel in
        try kernel.write(UInt64(index) << 20, .pattern(index + 7, 1 << 20))
      }
      for (kernel, cookie) in zip(scene.kernels, cookies) {
        #expect(try kernel.answer(cookie)?.error == 0)
      }
      for index in 0..<sockets {
        #expect(
          try scene.read(UInt64(index) << 20, 1 << 20).isSame(as: .pattern(index + 7, 1 << 20)))
      }
    }
  }

  @Test(arguments: [("EIO", EIO), ("ENOSPC", ENOSPC), ("EPERM", EPERM)])
  func `passes the errors of a server on`(_ name: String, _ code: CInt) throws {
    let server = try Server("--filter=error", "memory", "1M", "error=\(name)", "error-rate=1")
    for replies in [ReplyStyle.simple, .structured] {
      let scene = try Scene()
      try scene.bringUp(to: server, replies)
      #expect(try scene.perform(.read, 0, 4096) == UInt32(code))
      #expect(try scene.perform(.write, 0, data: .pattern(1, 4096)) == UInt32(code))
      #expect(try scene.perform(.trim, 0, 4096) == UInt32(code))
      #expect(scene.unflushedBytes == 0)
    }
  }

  @Test func `answers what the kernel has no business to ask with an error`() throws {
    let scene = try Scene()
    #expect(try scene.perform(.cache, 0, 4096) == UInt32(EINVAL))
  }
}
