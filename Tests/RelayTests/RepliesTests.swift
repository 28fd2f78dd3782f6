// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD
internal import Relay
internal import Testing

/// Replies of every style, whole and cut.
struct RepliesTests {
  private static let place: UInt64 = 1 << 20
  private let scene: Scene
  private let peer: Peer

  init() throws { (scene, peer) = (try Scene(), try Peer()) }

  @Test(arguments: [ReplyStyle.structured, .extended])
  func `puts chunks together in any order, and zeroes where the holes are`(
    _ replies: ReplyStyle
  ) throws {
    let server = try peer.connect(scene, 0, replies)
    let data = [UInt8].pattern(1, 4096)
    let whole = [UInt8](repeating: 0, count: 4096)
    // The room has other data in it.
    for _ in 0..<2 {
      let other = try scene.kernel.read(Self.place, 4096)
      let payload = Reply.bytes(Self.place) + [UInt8](repeating: 0xff, count: 4096)
      let cookie = try server.next(.read).cookie
      server.send(
        replies == .extended
          ? Reply.extended(cookie, Self.place, 1, last: true, payload)
          : Reply.chunk(cookie, 1, last: true, payload))
      #expect(try scene.kernel.answer(other)?.error == 0)
      for order in [[0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0], [1, 0, 3, 2]] {
        let read = try scene.kernel.read(Self.place, 4096)
        let request = try server.next(.read)
        #expect(request.header.offset == Self.place)
        for (index, part) in order.enumerated() {
          let offset = Self.place + UInt64(part) * 1024
          let isHole = part % 2 == 1
          let payload =
            Reply.bytes(offset)
            + (isHole ? Reply.bytes(1024 as UInt32) : Array(data[(part * 1024)...].prefix(1024)))
          let type: UInt16 = isHole ? 2 : 1
          server.send(
            replies == .extended
              ? Reply.extended(request.cookie, Self.place, type, last: index == 3, payload)
              : Reply.chunk(request.cookie, type, last: index == 3, payload))
        }
        var expected = data
        for part in [1, 3] {
          expected.replaceSubrange((part * 1024)..<(part * 1024 + 1024), with: whole.prefix(1024))
        }
        #expect(try scene.kernel.answer(read)?.data == expected)
      }
    }
    let write = try scene.kernel.write(0, data)
    let request = try server.next(.write)
    #expect(request.data == data)
    #expect(request.header.flags.contains(.payloadLength) == (replies == .extended))
    server.send(
      replies == .extended
        ? Reply.extended(request.cookie, 0, 0, last: true, []) : Reply.none(request.cookie))
    #expect(try scene.kernel.answer(write)?.error == 0)
  }

  @Test(arguments: [
    [(0, 1024), (0, 1024)], [(0, 1024), (512, 1024)], [(1024, 1024), (0, 1536)],
    [(0, 512), (1024, 512), (256, 512)],
  ])
  func `ends the connection where something comes twice`(_ parts: [(Int, Int)]) throws {
    let server = try peer.connect(scene, 0, .structured)
    let read = try scene.kernel.read(Self.place, 4096)
    let cookie = try server.next(.read).cookie
    for (start, count) in parts {
      let data = [UInt8](repeating: 1, count: count)
      server.send(Reply.data(cookie, Self.place + UInt64(start), data, last: false))
    }
    let (start, count) = try #require(parts.last)
    #expect(
      try scene.events.awaitDown()
        == .connection(
          .violation(.overlap(offset: Self.place + UInt64(start), length: UInt64(count)))))
    #expect(scene.kernel.takeAnswer(read) == nil)
  }

  @Test func `reports a failed request with the words of the server, but not each`() throws {
    let server = try peer.connect(scene, 0, .structured)
    let writes = [
      try scene.kernel.write(0, [UInt8](repeating: 1, count: 512)),
      try scene.kernel.write(4096, [UInt8](repeating: 1, count: 512)),
    ]
    let cookies = [try server.next(.write).cookie, try server.next(.write).cookie]
    // Both come at once.
    server.send(
      zip(cookies, ["disk \u{1b}[2Jfull", "another"]).flatMap { cookie, text in
        let words = Array(text.utf8)
        let payload = Reply.bytes(28 as UInt32) + Reply.bytes(UInt16(words.count)) + words
        return Reply.chunk(cookie, 1 << 15 | 1, last: true, payload)
      })
    for write in writes { #expect(try scene.kernel.answer(write)?.error == 28) }
    try scene.events.wait(
      for: .requestFailed(.write, .noSpace, text: "disk \\u{1b}[2Jfull"))
    // What was waited for is taken from them.
    #expect(
      !scene.events.all.contains {
        if case .requestFailed = $0 { true } else { false }
      })
  }

  @Test func `answers with the first error, wherever it stands`() throws {
    let server = try peer.connect(scene, 0, .structured)
    let data = [UInt8].pattern(1, 4096)
    func answer(_ reply: (Cookie) -> [UInt8]) throws -> UInt32? {
      let read = try scene.kernel.read(Self.place, 4096)
      server.send(reply(try server.next(.read).cookie))
      return try scene.kernel.answer(read)?.error
    }
    #expect(try answer { Reply.error($0, 28, last: true) } == 28)
    #expect(
      try answer {
        Reply.error($0, 1, at: Self.place + 4095, last: false) + Reply.error($0, 28, last: false)
          + Reply.none($0)
      } == 1)
    #expect(
      try answer {
        Reply.error($0, 5, last: false) + Reply.data($0, Self.place, data, last: true)
      } == 5)
    #expect(try answer { Reply.simple($0, error: 12) } == 12)
    #expect(try answer { Reply.simple($0, error: 4711) } == ErrorNumber.invalid.rawValue)
    // The connection survives what leaves something out, the request does not.
    #expect(
      try answer {
        Reply.data($0, Self.place, Array(data.prefix(4095)), last: false) + Reply.none($0)
      } == ErrorNumber.inputOutput.rawValue)
    #expect(try answer { Reply.hole($0, Self.place, 4096, last: true) } == 0)
    #expect(
      !scene.events.all.contains {
        if case .down = $0 { true } else { false }
      })
  }

  @Test(arguments: [ReplyStyle.simple, .structured])
  func `asks again for what was cut anywhere, and takes nothing of the rest`(
    _ replies: ReplyStyle
  ) throws {
    func reply(_ cookie: Cookie, _ data: [UInt8]) -> [UInt8] {
      replies == .simple
        ? Reply.simple(cookie) + data
        : Reply.data(cookie, 0, Array(data.prefix(20)), last: false)
          + Reply.data(cookie, 20, Array(data.suffix(12)), last: false) + Reply.none(cookie)
    }
    let read = try scene.kernel.read(0, 32)
    let whole = reply(0, .pattern(0, 32)).count
    for length in 0..<whole {
      let server = try peer.connect(scene, 0, replies)
      let request = try server.next(.read)
      server.send(Array(reply(request.cookie, .pattern(1, 32)).prefix(length)))
      server.close()
      let end = try scene.events.awaitDown()
      guard case .connection(let reason) = end else { throw Wrong("\(end)") }
      #expect(
        (reason == .closed) == (length == 0 || replies == .structured && [48, 88].contains(length)))
      #expect(scene.kernel.takeAnswer(read) == nil)
    }
    let server = try peer.connect(scene, 0, replies)
    let request = try server.next(.read)
    // Byte by byte it is as good.
    for byte in reply(request.cookie, .pattern(2, 32)) { server.send([byte]) }
    #expect(try scene.kernel.answer(read)?.data == .pattern(2, 32))
  }

  @Test func `sends a request that was cut again from its start`() throws {
    let data = [UInt8].pattern(1, 24 << 20)
    let write = try scene.kernel.write(0, data)
    for _ in 0..<10 { try scene.kernel.turn(10) }
    for length in [1, 27, 28, 29, 100_000] {
      let server = try peer.connect(scene)
      _ = try server.take(length)
      server.close()
      try scene.events.awaitDown()
    }
    let server = try peer.connect(scene)
    let request = try server.next(.write)
    #expect(request.data.isSame(as: data))
    server.reply(request)
    #expect(try scene.kernel.answer(write)?.error == 0)
  }

  @Test func `does not take a reply for one to another sending`() throws {
    var server = try peer.connect(scene)
    let read = try scene.kernel.read(0, 512)
    var cookies: [Cookie] = []
    for _ in 0..<3 {
      let request = try server.next(.read)
      #expect(!cookies.contains(request.cookie))
      cookies.append(request.cookie)
      let stale = cookies.first ?? 0
      guard cookies.count > 1 else {
        server.close()
        try scene.events.awaitDown()
        server = try peer.connect(scene)
        continue
      }
      server.send(Reply.simple(stale) + [UInt8].pattern(9, 512))
      #expect(try scene.events.awaitDown() == .connection(.violation(.unknownCookie(stale))))
      server = try peer.connect(scene)
    }
    let request = try server.next(.read)
    server.reply(request, .pattern(3, 512))
    #expect(try scene.kernel.answer(read)?.data == .pattern(3, 512))
    // It has been answered, and nothing else is asked for.
    server.reply(request, .pattern(4, 512))
    #expect(try scene.events.awaitDown() == .connection(.violation(.unknownCookie(request.cookie))))
  }
}
