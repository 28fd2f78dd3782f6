// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// The way down from GO by LIST to EXPORT_NAME, and the oldstyle header.
struct FallbackTests {
  // What GO told before is void.
  // Rows: N-072, N-097, N-100, N-104, N-105, N-107, N-150, N-153
  @Test func `falls back to EXPORT_NAME by way of LIST`() throws {
    let negotiated = try follow(
      """
      S 4e42444d41474943 49484156454f5054 0001
      C 00000001
      C 49484156454f5054 00000007 0000000c 00000004 6469736b 0001 0003
      S 0003e889045565a9 00000007 00000003 0000000e 0003 00000200 00001000 02000000
      S 0003e889045565a9 00000007 00000003 0000000c 0000 0000000000001000 0003
      S 0003e889045565a9 00000007 80000001 00000002 6e6f
      C 49484156454f5054 00000003 00000000
      S 0003e889045565a9 00000003 00000002 00000006 00000001 61 78   # a, described as x
      S 0003e889045565a9 00000003 00000002 00000008 00000004 6469736b
      S 0003e889045565a9 00000003 00000001 00000000
      C 49484156454f5054 00000001 00000004 6469736b
      S 0000000000100000 006d
      S \(String(repeating: "ff", count: 124))                       # N-107: not looked at
      """, name: "disk")
    #expect(
      negotiated.export
        == Export(
          name: "disk", sizeBytes: 1 << 20, flags: TransmissionFlags(rawValue: 0x6d)))
    #expect(negotiated.handshake == .fixedNewstyle)
  }

  // Nothing learnt, so EXPORT_NAME has to tell.
  // Rows: N-101, N-103, N-157
  @Test(arguments: [
    Server.refusal(3, 1), Server.acknowledgement(3), Server.refusal(3, 2, "secret"),
    Server.refusal(3, 5), Server.refusal(3, 0x63), Server.listed("other") + Server.refusal(3, 1),
  ])
  func `goes on without a list`(answer: [UInt8]) throws {
    let stream = ScriptedStream(
      Server.fixed + Server.refusal(7, 1) + answer + Server.shortAnswer)
    #expect(try negotiate(ExportRequest("disk"), over: stream).export.sizeBytes == 1 << 20)
    #expect(stream.options == [7, 3, 1])
  }

  // The default export need not be listed; a name may come twice.
  // Rows: N-102, N-171
  @Test(arguments: ["", "disk"])
  func `asks for what may be there`(name: String) throws {
    let list = Server.listed("disk") + Server.listed("disk") + Server.acknowledgement(3)
    let stream = ScriptedStream(Server.fixed + Server.refusal(7, 1) + list + Server.shortAnswer)
    #expect(try negotiate(ExportRequest(name), over: stream).export.name == name)
  }

  // The limit itself is fine.
  // Rows: N-170
  @Test func `reads a list of ten thousand`() throws {
    let list = (1..<10_000).flatMap { Server.listed("\($0)") } + Server.listed("disk")
    let stream = ScriptedStream(
      Server.fixed + Server.refusal(7, 1) + list + Server.acknowledgement(3) + Server.shortAnswer)
    #expect(try negotiate(ExportRequest("disk"), over: stream).export.name == "disk")
  }

  static let lists: [Failing] = [
    listing("N-035, N-103", Server.refusal(3, 7), .refused(.shutdown)),
    listing(
      "N-102", Server.listed("other") + Server.listed("disk2") + Server.acknowledgement(3),
      .unknownExport("disk", available: ["'other'", "'disk2'"], more: 0)),
    listing(
      "N-104, N-183", Server.listed("disk\0x") + Server.acknowledgement(3),
      .unknownExport("disk", available: ["'disk\\u{0}x'"], more: 0)),
    listing(
      "N-183", Server.listed(String(repeating: "x", count: 4097)) + Server.acknowledgement(3),
      .unknownExport("disk", available: ["'" + String(repeating: "x", count: 256) + "…'"], more: 0)),
    listing("N-151", Server.reply(3, 2), .listEntryTooShort(0)),
    listing("N-151", Server.reply(3, 2, [0, 0, 0]), .listEntryTooShort(3)),
    listing(
      "N-151", Server.reply(3, 2, announcing: 0xffff_ffff), .tooManyBytes(limit: 16 << 20)),
    listing(
      "N-152", Server.reply(3, 2, hex("00000005 6469736b")), .listedNameTooLong(5, entry: 8)),
    listing(
      "N-152", Server.reply(3, 2, hex("ffffffff 6469736b")),
      .listedNameTooLong(0xffff_ffff, entry: 8)),
    listing("N-154", Server.reply(3, 1, [0, 0, 0, 0]), .acknowledgementWithData(4)),
    listing("N-155", Server.listed("a") + Server.reply(3, 3), .unexpectedReply(3)),
    listing(
      "N-156", Server.reply(3, 2, hex("00000004 6469"), announcing: 8),
      .receiving(.ended(received: 2), awaiting: "an entry of the list")),
    listing(
      "N-170", (0...10_000).flatMap { Server.listed("\($0)") }, .tooManyReplies(limit: 10_000)),
    listing(
      "N-170", (0..<17).flatMap { _ in Server.listed("a", String(repeating: "b", count: 1 << 20)) },
      .tooManyBytes(limit: 16 << 20)),
  ]

  private static func listing(
    _ rows: String, _ replies: [UInt8], _ reason: NegotiationError.Reason
  ) -> Failing {
    Failing(
      rows, Server.fixed + Server.refusal(7, 1) + replies, .option(.list), reason, aborts: true)
  }

  // Rows: N-035, N-102, N-103, N-104, N-151, N-152, N-154, N-155, N-156, N-170, N-182, N-183
  @Test(arguments: lists)
  func `refuses a list that cannot be used`(failing: Failing) { expectFailure(failing) }

  // A few names are enough, and a name that was cut is not taken for another.
  // Rows: N-102, N-104, N-183
  @Test func `names a few of many exports`() {
    let longest = String(repeating: "x", count: 4096)
    let list = (1...20).flatMap { Server.listed("\($0)") } + Server.listed(longest + "y")
    let stream = ScriptedStream(
      Server.fixed + Server.refusal(7, 1) + list + Server.acknowledgement(3))
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(ExportRequest(longest), over: stream)
    }
    let few = (1...16).map { "'\($0)'" }
    #expect(error?.reason == .unknownExport(longest, available: few, more: 5))
  }

  static let answers: [Failing] = [
    named("N-106, N-109", [], .hungUpOnName("disk")),
    named(
      "N-106", hex("00000000"), .receiving(.ended(received: 4), awaiting: "the size of the export")),
    named(
      "N-106", hex("0000000000100000"),
      .receiving(.ended(received: 0), awaiting: "the flags of the export")),
    named(
      "N-108", hex("0000000000100000 006d") + [0, 0, 0],
      .receiving(.ended(received: 3), awaiting: "the reserved block")),
    named("N-090", hex("8000000000000000 006d"), .unaddressableSize(1 << 63)),
    named("N-110", Server.refusal(1, 6), .replyInPlaceOfExport),
    named("N-111", hex("0000000000100000 0000") + Server.reserved, .noFlags),
  ]

  private static func named(
    _ rows: String, _ answer: [UInt8], _ reason: NegotiationError.Reason
  ) -> Failing {
    Failing(
      rows, Server.greeting(1) + Server.refusal(7, 1) + Server.refusal(3, 1) + answer, .exportName,
      reason, aborts: false)
  }

  // No ABORT once EXPORT_NAME is sent.
  // Rows: N-090, N-106, N-108, N-109, N-110, N-111, N-181
  @Test(arguments: answers)
  func `refuses an answer to EXPORT_NAME that is none`(failing: Failing) {
    expectFailure(failing)
  }

  // Without FIXED there is no ABORT at all.
  // Rows: N-010, N-181
  @Test func `only hangs up on a newstyle server`() {
    let stream = ScriptedStream(Server.greeting(0))
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(ExportRequest("disk"), over: stream)
    }
    #expect(error?.reason == .hungUpOnName("disk"))
    #expect(stream.options == [1])
  }

  // Nothing is ever sent.
  // Rows: N-013, N-121, N-122, N-123, N-125
  @Test func `attaches to an oldstyle server`() throws {
    let negotiated = try follow(
      """
      S 4e42444d41474943 0000420281861253 0000000000100000 00000003
      S \(digits(Server.reserved))
      """)
    #expect(
      negotiated.export
        == Export(name: "", sizeBytes: 1 << 20, flags: [.hasFlags, .readOnly]))
    #expect(negotiated.handshake == .oldstyle)
  }

  // Rows: N-091
  @Test func `warns of unmarked flags also without GO`() throws {
    let stream = ScriptedStream(Server.oldstyle("0000000000100000 00000002"))
    #expect(try negotiate(ExportRequest(""), over: stream).notes.count == 1)
  }

  static let oldstyle: [Failing] = [
    old("N-121", Array(Server.oldstyle("").prefix(20)), missing("the size of the export", 4)),
    old("N-122", Array(Server.oldstyle("").prefix(26)), missing("the flags of the export", 2)),
    old("N-122", Server.oldstyle("0000000000100000 00010003"), .unknownUpperFlags(0x0001_0003)),
    old(
      "N-123", Server.oldstyle("0000000000100000 00000003").dropLast(),
      missing("the reserved block", 123)),
    old("N-111", Server.oldstyle("0000000000100000 00000000"), .noFlags),
    old("N-090", Server.oldstyle("8000000000000000 00000003"), .unaddressableSize(1 << 63)),
  ]

  private static func old(
    _ rows: String, _ server: [UInt8], _ reason: NegotiationError.Reason
  ) -> Failing {
    Failing(rows, server, .oldstyleHeader, reason, aborts: false)
  }

  private static func missing(_ awaited: String, _ received: Int) -> NegotiationError.Reason {
    .receiving(.ended(received: received), awaiting: awaited)
  }

  // Rows: N-090, N-111, N-120, N-121, N-122, N-123
  @Test(arguments: oldstyle)
  func `refuses an oldstyle header that is none`(failing: Failing) {
    expectFailure(failing, request(""))
  }

  // Rows: N-120
  @Test func `asks an oldstyle server for no name`() {
    let stream = ScriptedStream(Server.oldstyle("0000000000100000 00000003"))
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(ExportRequest("disk"), over: stream)
    }
    #expect(error?.reason == .noNamedExports("disk"))
    #expect(stream.sent == [])
  }
}
