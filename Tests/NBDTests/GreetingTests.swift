// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// The first bytes in either direction.
struct GreetingTests {
  // Rows: N-005, N-006, N-009, N-013, N-020, N-022, N-070, N-094, N-095, N-099
  @Test func `attaches to a fixed newstyle server with GO`() throws {
    let negotiated = try follow(
      """
      S 4e42444d41474943 49484156454f5054 ffff   # every handshake flag, known or not
      C 00000003                                 # FIXED_NEWSTYLE, NO_ZEROES and nothing else
      C 49484156454f5054 00000007 0000000c       # GO
      C 00000004 6469736b 0001 0003              # disk, BLOCK_SIZE
      S 0003e889045565a9 00000007 00000003 0000000c 0000 0000000000100000 010d
      S 0003e889045565a9 00000007 00000003 0000000e 0003 00000200 00001000 02000000
      S 0003e889045565a9 00000007 00000001 00000000
      """, name: "disk")
    #expect(
      negotiated.export
        == Export(
          name: "disk", sizeBytes: 1 << 20,
          flags: [.hasFlags, .sendFlush, .sendFUA, .canMultiConn],
          blockSizes: BlockSizes(minimum: 512, preferred: 4096, maximumPayload: 32 << 20)))
    #expect(negotiated.handshake == .fixedNewstyle)
    #expect(negotiated.notes == [])
  }

  // Without FIXED only EXPORT_NAME is sent.
  // Rows: N-006, N-008, N-009, N-010, N-105, N-107
  @Test func `asks a newstyle server for nothing but the export`() throws {
    let padded = try follow(
      """
      S 4e42444d41474943 49484156454f5054 0000
      C 00000000
      C 49484156454f5054 00000001 00000004 6469736b
      S 0000000000100000 006d
      S \(digits(Server.reserved))
      """, name: "disk")
    #expect(padded.handshake == .newstyle)
    #expect(padded.export.sizeBytes == 1 << 20)

    let bare = try follow(
      """
      S 4e42444d41474943 49484156454f5054 0002   # NO_ZEROES
      C 00000002
      C 49484156454f5054 00000001 00000004 6469736b
      S 0000000000100000 006d
      """, name: "disk")
    #expect(bare.export.blockSizes == nil)
  }

  static let failures: [Failing] = [
    Failing(
      "N-001", Array("HTTP/1.1 400".utf8), .greeting,
      .notNBD(firstBytes: Array("HTTP/1.1".utf8)), aborts: false),
    Failing(
      "N-001", [UInt8](repeating: 0xff, count: 1 << 20), .greeting,
      .notNBD(firstBytes: [UInt8](repeating: 0xff, count: 8)), aborts: false),
    Failing(
      "N-002", [], .greeting, .receiving(.ended(received: 0), awaiting: "the first magic"),
      aborts: false),
    Failing(
      "N-002", hex("4e42444d"), .greeting,
      .receiving(.ended(received: 4), awaiting: "the first magic"), aborts: false),
    Failing(
      "N-002", hex("4e42444d41474943"), .greeting,
      .receiving(.ended(received: 0), awaiting: "the second magic"), aborts: false),
    Failing(
      "N-003", hex("4e42444d41474943 1122334455667788 0003"), .greeting,
      .unknownStyle(0x1122_3344_5566_7788), aborts: false),
    Failing(
      "N-004", hex("4e42444d41474943 49484156454f5054 00"), .greeting,
      .receiving(.ended(received: 1), awaiting: "the handshake flags"), aborts: false),
    Failing(
      "N-024, a greeting twice", Server.fixed + Server.fixed + [0, 0], .option(.go),
      .wrongReplyMagic(0x4e42_444d_4147_4943), aborts: true),
  ]

  // Rows: N-001, N-002, N-003, N-004, N-181, N-184
  @Test(arguments: failures)
  func `refuses a greeting that is none`(failing: Failing) { expectFailure(failing) }

  // A broken stream gets no ABORT either.
  // Rows: N-007, N-021, N-181
  @Test(arguments: [
    (3, NegotiationError.Step.clientFlags), (4, .option(.go)), (20, .option(.go)),
  ])
  func `says what could not be sent`(writable: Int, step: NegotiationError.Step) {
    let stream = ScriptedStream(Server.fixed + Server.goAcknowledged, writable: writable)
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(ExportRequest("disk"), over: stream)
    }
    let broken = StreamError.failed(.brokenPipe)
    #expect(error == NegotiationError(step: step, reason: .sending(broken)))
    #expect(stream.sent.count <= 4)
  }

  // Silence is a failure of its own, and nothing is sent into it.
  // Rows: N-011, N-180
  @Test(arguments: [
    ([], NegotiationError.Step.greeting, "the first magic"),
    (hex("4e42444d41474943"), .greeting, "the second magic"),
    (Server.fixed, .option(.go), "the answer"),
    (Server.fixed + hex("0003e889045565a9"), .option(.go), "the answer"),
    (
      Server.fixed + Server.refusal(7, 1) + Server.refusal(3, 1), .exportName,
      "the size of the export"
    ),
  ])
  func `says what it waited for`(server: [UInt8], step: NegotiationError.Step, awaited: String) {
    for silence in [StreamError.timedOut(.seconds(30)), .interrupted] {
      let stream = ScriptedStream(server, end: silence)
      let error = #expect(throws: NegotiationError.self) {
        try negotiate(ExportRequest("disk"), over: stream)
      }
      let reason = NegotiationError.Reason.receiving(silence, awaiting: awaited)
      #expect(error == NegotiationError(step: step, reason: reason))
      #expect(!stream.options.contains(2))
    }
  }

  // Rows: N-011, N-180
  @Test func `counts a deadline for every step`() throws {
    let stream = ScriptedStream(
      Server.fixed + Server.refusal(7, 1) + Server.refusal(3, 1) + Server.shortAnswer)
    _ = try negotiate(ExportRequest("disk"), over: stream)
    #expect(stream.options == [7, 3, 1])
    // The greeting, the client flags and three options.
    #expect(stream.steps == 5)
  }

  // Refused before a byte passes.
  // Rows: N-113
  @Test(arguments: [
    (String(repeating: "x", count: 4097), NameFlaw.tooLong(4097)), ("a\0b", .holdsNUL),
  ])
  func `asks for no name that cannot be one`(name: String, flaw: NameFlaw) {
    let stream = ScriptedStream(Server.fixed)
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(ExportRequest(name), over: stream)
    }
    #expect(error?.reason == .unusableName(name, flaw))
    #expect(stream.passed == [])
    #expect(stream.unread.count == 18)
  }

  // Rows: N-113
  @Test func `asks for the longest name`() throws {
    let name = String(repeating: "x", count: 4096)
    let stream = ScriptedStream(Server.fixed + Server.export + Server.goAcknowledged)
    #expect(try negotiate(ExportRequest(name), over: stream).export.name == name)
    #expect(stream.sent.count == 4 + 16 + 4 + 4096 + 4)
  }
}
