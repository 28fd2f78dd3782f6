// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// A server's list, and what is in it.
struct ListingTests {
  @Test(
    arguments: [
      ("nbd://storage/", "nbd://storage:10809/a%20b"),
      (
        "nbds://user@[fe80::1%25eth0]:1/x?tls-hostname=s",
        "nbds://user@[fe80::1%25eth0]:1/a%20b?tls-hostname=s"
      ),
      ("nbd+unix:///x?socket=/run/a%20socket", "nbd+unix:///a%20b?socket=/run/a%20socket"),
      ("nbds+vsock://2/x?tls-verify-peer=0", "nbds+vsock://2:10809/a%20b?tls-verify-peer=0"),
    ])
  func `gives a URI for each export, over every transport`(
    _ server: String, _ expected: String
  ) throws {
    let odd: [[UInt8]] = [[0xff], [0x61, 0], [UInt8](repeating: 0x61, count: 4097)]
    let entries = odd.flatMap { Server.reply(3, 2, Server.bytes(UInt32($0.count)) + $0) }
    let stream = ScriptedStream(
      simple + Server.listed("a b") + entries + Server.acknowledgement(3) + Server.refusal(6, 1))
    let server = try URI(parsing: server)
    let uris = try listExports(over: stream).map { $0.uri(on: server) }
    #expect(uris.count == 4)
    #expect(uris.first??.description == expected)
    #expect(try uris.first == URI(parsing: expected))
    #expect(uris.dropFirst().allSatisfy { $0 == nil })
  }

  private let simple = Server.fixed + Server.refusal(8, 1)

  // Rows: N-060, N-143, N-144, N-150, N-153, N-159, N-162, N-163
  @Test func `tells about every export`() throws {
    let expected = transcript(
      """
      S 4e42444d41474943 49484156454f5054 0003
      C 00000003
      C 49484156454f5054 00000008 00000000
      S 0003e889045565a9 00000008 00000001 00000000
      C 49484156454f5054 00000003 00000000
      S 0003e889045565a9 00000003 00000002 0000000a 00000001 61 6f6e0a6c79   # a: on\\nly
      S 0003e889045565a9 00000003 00000001 00000000
      C 49484156454f5054 00000006 00000009 00000001 61 0001 0003
      S 0003e889045565a9 00000006 00000003 0000000c 0000 0000000000100000 006d
      S 0003e889045565a9 00000006 00000001 00000000
      C 49484156454f5054 00000009 00000009 00000001 61 00000000
      S 0003e889045565a9 00000009 00000004 00000007 00000000 613a62
      S 0003e889045565a9 00000009 00000001 00000000
      C 49484156454f5054 00000009 00000012 00000001 61 00000001 00000005 71656d753a
      S 0003e889045565a9 00000009 00000004 0000000a 00000000 71656d753a78
      S 0003e889045565a9 00000009 00000001 00000000
      C 49484156454f5054 00000002 00000000
      """)
    let stream = ScriptedStream(expected.filter { $0.speaker == .server }.flatMap(\.bytes))
    let exports = try listExports(over: stream)
    #expect(stream.passed.map(\.description) == expected.map(\.description))
    #expect(exports.map(\.name) == ["a"])
    #expect(exports.first?.description == "on\\nly")
    #expect(exports.first?.contexts == ["a:b", "qemu:x"])
    #expect(try exports.first?.information?.get().sizeBytes == 1 << 20)
  }

  // Rows: N-144
  @Test(arguments: [Server.context(0, "qemu:a", 9), []])
  func `asks for hidden contexts only where that helps`(listed: [UInt8]) throws {
    let stream = ScriptedStream(
      Server.fixed + Server.acknowledgement(8) + Server.listed("a") + Server.acknowledgement(3)
        + Server.info + listed + Server.acknowledgement(9))
    #expect(try listExports(over: stream).first?.contexts == (listed.isEmpty ? [] : ["qemu:a"]))
    #expect(stream.options == [8, 3, 6, 9, 2])
  }

  // Rows: N-145, N-146, N-149
  @Test(arguments: [
    (Server.refusal(9, 1), []), (Server.refusal(9, 2), []),
    (Server.context(0, "a:b", 9) + Server.refusal(9, 9), []),
    (
      Server.context(0, "none", 9) + Server.context(0, "qemu:a", 9) + Server.acknowledgement(9),
      ["qemu:a"]
    ),
  ])
  func `shows an export with the contexts that the server tells`(
    answer: [UInt8], contexts: [String]
  ) throws {
    let stream = ScriptedStream(
      Server.fixed + Server.acknowledgement(8) + Server.listed("a") + Server.acknowledgement(3)
        + Server.info + answer)
    #expect(try listExports(over: stream).map(\.contexts) == [contexts])
  }

  // Rows: N-145, N-170
  @Test func `gives up contexts without an end`() {
    let stream = ScriptedStream(
      Server.fixed + Server.acknowledgement(8) + Server.listed("a") + Server.acknowledgement(3)
        + Server.info + (0...1024).flatMap { _ in Server.context(0, "a:b", 9) })
    let error = #expect(throws: NegotiationError.self) { try listExports(over: stream) }
    #expect(error?.reason == .tooManyReplies(limit: 1024))
    #expect(stream.options.last == 2)
  }

  // Text grows when it is escaped, and there are many exports to be told about.
  // Rows: N-145, N-170, N-182
  @Test func `keeps no more text than it can`() {
    let name = "qemu:" + String(repeating: "\u{e0001}", count: 1000)
    let contexts =
      (0..<1000).flatMap { _ in Server.context(0, name, 9) } + Server.acknowledgement(9)
    let stream = ScriptedStream(
      Server.fixed + Server.acknowledgement(8) + Server.listed("a") + Server.listed("b")
        + Server.acknowledgement(3) + Server.info + contexts + Server.info + contexts)
    let error = #expect(throws: NegotiationError.self) { try listExports(over: stream) }
    #expect(error?.reason == .tooManyBytes(limit: 16 << 20))
  }

  // Rows: N-073, N-161, N-182
  @Test func `does not read what a server wants to send without an end`() {
    let stream = ScriptedStream(
      simple + Server.listed("a") + Server.acknowledgement(3)
        + Server.reply(6, 1, [UInt8](repeating: 0, count: 100_000), announcing: 0xffff_ffff))
    let error = #expect(throws: NegotiationError.self) { try listExports(over: stream) }
    #expect(error?.reason == .acknowledgementWithData(0xffff_ffff))
    #expect(stream.unread.count == 100_000)
  }

  // Rows: N-160
  @Test func `keeps the names where the server tells no more`() throws {
    let stream = ScriptedStream(
      simple + Server.listed("a") + Server.listed("b") + Server.acknowledgement(3)
        + Server.refusal(6, 1))
    let exports = try listExports(over: stream)
    #expect(exports.map(\.name) == ["a", "b"])
    #expect(exports.allSatisfy { $0.information == nil })
    #expect(stream.options == [8, 3, 6, 2])
  }

  // Whatever is left of the answer about the first export is no answer about the second.
  // Rows: N-055, N-073, N-074, N-097, N-161
  @Test(
    arguments: [
      (Server.refusal(6, 5, "secret"), .refused(.tlsRequired)),
      (Server.refusal(6, 6), .refused(.unknown)),
      (Server.refusal(6, 0x63), .refusedWithUnknownError(0x8000_0063)),
      (Server.acknowledgement(6), .noExportInformation),
      (Server.reply(6, 1, [1, 2]), .acknowledgementWithData(2)),
      (
        Server.reply(6, 3, hex("0003 00000000 00001000 02000000")) + Server.info,
        .blockSizes(.minimum(0))
      ),
      (Server.reply(6, 3, hex("0000 00")) + Server.info, .informationLength(.export, 3)),
      (Server.reply(6, 3, [0]) + Server.info, .informationTooShort(1)),
      (
        Server.reply(6, 3, hex("0000 8000000000000000 006d")) + Server.acknowledgement(6),
        .unaddressableSize(1 << 63)
      ),
      (
        Server.reply(6, 3, hex("0001 61")) + Server.reply(6, 3, hex("0001 62")) + Server.info,
        .contradiction(.name)
      ),
    ] as [([UInt8], NegotiationError.Reason)])
  func `marks one bad export, and goes on`(
    answer: [UInt8], reason: NegotiationError.Reason
  ) throws {
    let stream = ScriptedStream(
      simple + Server.listed("a") + Server.listed("b") + Server.acknowledgement(3) + answer
        + Server.info)
    let exports = try listExports(over: stream)
    #expect(exports.count == 2)
    let error = #expect(throws: NegotiationError.self) { try exports.first?.information?.get() }
    #expect(error?.reason == reason)
    #expect(try exports.last?.information?.get().sizeBytes == 1 << 20)
    #expect(stream.options == [8, 3, 6, 6, 2])
    #expect(stream.unread == [])
  }

  // Rows: N-035, N-161, N-169
  @Test(arguments: [
    Server.refusal(6, 7), Server.acknowledgement(9), Server.reply(6, 2), [],
    Server.reply(6, 0x8000_0002, announcing: 0xffff_ffff),
  ])
  func `fails as a whole where the connection is lost`(answer: [UInt8]) {
    let stream = ScriptedStream(
      simple + Server.listed("a") + Server.listed("b") + Server.acknowledgement(3) + Server.info
        + answer)
    #expect(throws: NegotiationError.self) { try listExports(over: stream) }
    #expect(stream.options == [8, 3, 6, 6, 2])
  }

  // Rows: N-170, N-171, N-172, N-183
  @Test func `shows names nobody can trust, and asks for none of them`() throws {
    let names = ["\u{1b}[2J\u{7}\n", "a\0b", "same", "same", String(repeating: "x", count: 5000)]
    let stream = ScriptedStream(
      simple + names.flatMap { Server.listed($0) } + Server.reply(3, 2, hex("00000001 ff"))
        + Server.acknowledgement(3) + Server.info + Server.info + Server.info)
    let exports = try listExports(over: stream)
    #expect(
      exports.map(\.name) == [
        "\\u{1b}[2J\\u{7}\\n", "a\\u{0}b", "same", "same",
        String(repeating: "x", count: 4096) + "…",
        "\\u{ff}",
      ])
    let told = exports.map { export in (try? export.information?.get()) != nil }
    #expect(told == [true, false, true, true, false, false])
    #expect(stream.options == [8, 3, 6, 6, 6, 2])
  }

  static let failures: [Failing] = [
    failing("N-157", Server.refusal(3, 1), .refused(.unsupported)),
    failing("N-157", Server.listed("a") + Server.refusal(3, 1), .refused(.unsupported)),
    failing("N-158", Server.refusal(3, 2, "no"), .refused(.policy), text: "no"),
    failing("N-158, N-169", Server.listed("a") + Server.refusal(3, 4), .refused(.platform)),
    failing("N-154", Server.reply(3, 1, [0, 0, 0, 0]), .acknowledgementWithData(4)),
    failing(
      "N-156", Server.reply(3, 2, hex("00000004 6469"), announcing: 8),
      .receiving(.ended(received: 2), awaiting: "an entry of the list")),
  ]

  private static func failing(
    _ rows: String, _ replies: [UInt8], _ reason: NegotiationError.Reason, text: String? = nil
  ) -> Failing {
    Failing(
      rows, Server.fixed + Server.acknowledgement(8) + replies, .option(.list), reason,
      aborts: true, text: text)
  }

  // Rows: N-154, N-156, N-157, N-158, N-169
  @Test(arguments: failures)
  func `returns no list in part`(failing: Failing) {
    let stream = ScriptedStream(failing.server)
    let error = #expect(throws: NegotiationError.self) { try listExports(over: stream) }
    #expect(error == failing.error)
    #expect(stream.options == [8, 3, 2])
  }

  // Rows: N-165, N-181
  @Test func `hangs up on a server without fixed newstyle`() {
    let stream = ScriptedStream(Server.greeting(0))
    let error = #expect(throws: NegotiationError.self) { try listExports(over: stream) }
    #expect(error?.reason == .cannotList)
    #expect(stream.sent.count == 4)
  }

  // Rows: N-121, N-166, N-167
  @Test func `shows the one export of an oldstyle server`() throws {
    let bytes = Server.oldstyle("0000000000100000 00000003")
    let stream = ScriptedStream(bytes)
    let exports = try listExports(over: stream)
    #expect(exports.map(\.name) == [""])
    #expect(try exports.first?.information?.get().flags == [.hasFlags, .readOnly])
    #expect(
      stream.sent == hex("25609513 0000 0002 0000000000000000 0000000000000000 00000000"))

    for hasty in [
      ScriptedStream(bytes.dropLast()), ScriptedStream(bytes, writable: 0),
      ScriptedStream(bytes.dropLast(124)),
    ] {
      #expect(try listExports(over: hasty).count == 1)
      #expect(hasty.sent == [])
    }
    let broken = ScriptedStream(Server.oldstyle("0000000000100000 00010003"))
    #expect(throws: NegotiationError.self) { try listExports(over: broken) }
  }

  // Rows: N-045, N-046, N-047, N-049, N-168
  @Test func `asks for TLS first`() throws {
    let inside =
      Server.acknowledgement(8) + Server.listed("a") + Server.acknowledgement(3) + Server.info
      + Server.acknowledgement(9)
    let stream = ScriptedStream(
      Server.fixed + Server.acknowledgement(5), secured: .success(inside))
    #expect(try listExports(security: .required, over: stream).map(\.name) == ["a"])
    #expect(stream.options == [5, 8, 3, 6, 9, 2])
    for server in [
      Server.fixed + Server.refusal(5, 1), Server.greeting(0),
      Server.oldstyle("0000000000100000 00000003"),
    ] {
      let plain = ScriptedStream(server, secured: .success([]))
      #expect(throws: NegotiationError.self) { try listExports(security: .required, over: plain) }
      #expect(!plain.options.contains(3))
    }
  }
}
