// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// GO and the information that comes with it.
struct GoTests {
  /// What a server tells before its ACK, negotiated by a client that wants details.
  private func attach(_ information: [UInt8]...) throws(NegotiationError) -> Negotiated {
    let script = Server.fixed + information.flatMap { $0 } + Server.goAcknowledged
    return try negotiate(request("disk", details: true), over: ScriptedStream(script))
  }

  // No item twice, and the empty name is a name.
  // Rows: N-070, N-087, N-088, N-095
  @Test func `asks for details where they are wanted`() throws {
    let negotiated = try follow(
      """
      S 4e42444d41474943 49484156454f5054 0003
      C 00000003
      C 49484156454f5054 00000007 0000000c 00000000 0003 0003 0001 0002
      S 0003e889045565a9 00000007 00000003 00000006 0001 6d61696e    # main
      S 0003e889045565a9 00000007 00000003 00000007 0002 610a621b62
      S 0003e889045565a9 00000007 00000003 0000000c 0000 0000000000100000 006d
      S 0003e889045565a9 00000007 00000001 00000000
      """, details: true)
    #expect(negotiated.export.name == "")
    #expect(negotiated.export.canonicalName == "main")
    #expect(negotiated.export.description == "a\\nb\\u{1b}b")
  }

  // Kept and not acted on.
  // Rows: N-079
  @Test func `keeps unknown flags`() throws {
    let export = try attach(Server.information(0, "0000000000000000 f06d")).export
    #expect(export.flags.rawValue == 0xf06d)
    #expect(export.sizeBytes == 0)
  }

  // Rows: N-084, N-182
  @Test func `skips information of unknown types`() throws {
    let long = Server.reply(7, 3, hex("7777") + [UInt8](repeating: 7, count: 200_000))
    let export = try attach(long, Server.export, Server.information(0x99, "")).export
    #expect(export.sizeBytes == 1 << 20)
  }

  // The limit itself is fine.
  // Rows: N-086, N-096
  @Test func `takes equal repeats`() throws {
    let sizes = Server.blockSizes(1, 4096, 33_554_432)
    let many = (1...1022).flatMap { _ in sizes }
    #expect(try attach(sizes, many, Server.export).export.blockSizes?.minimum == 1)
  }

  // Never shown as they are, never cut at a NUL.
  // Rows: N-087, N-088, N-183
  @Test func `cuts and escapes names nobody can trust`() throws {
    let long = Server.reply(7, 3, hex("0001") + [UInt8](repeating: 0x61, count: 5000))
    let cut = String(repeating: "a", count: 4096) + "…"
    #expect(try attach(long, Server.export).export.canonicalName == cut)
    let hostile = Server.information(1, "6100621b5b324a")
    #expect(try attach(hostile, Server.export).export.canonicalName == "a\\u{0}b\\u{1b}[2J")
  }

  // Rows: N-083, N-089, N-093, N-098
  @Test(
    arguments: [
      ([1, 1, 1], 1), ([1, 1, 4096], 512), ([1, 512, 0xffff_ffff], 512),
      ([65536, 65536, 65536], 65536), ([512, 4096, 5000], 4096),
    ] as [([UInt32], UInt32)])
  func `takes block sizes that can be kept`(told: [UInt32], preferred: UInt32) throws {
    let information = Server.blockSizes(told[0], told[1], told[2])
    let sizes = try attach(Server.export, information).export.blockSizes
    #expect(sizes?.preferred == preferred)
    #expect(try attach(Server.export).export.blockSizes == nil)
  }

  // Rows: N-091
  @Test func `warns of flags that are not marked as such`() throws {
    let negotiated = try attach(Server.information(0, "0000000000100000 0002"))
    #expect(negotiated.export.flags == [.readOnly])
    #expect(negotiated.notes.count == 1)
  }

  // Rows: N-092
  @Test func `leaves a tail that cannot be asked for out of reach`() throws {
    let information = Server.information(0, "0000000000100005 006d")
    let negotiated = try attach(information, Server.blockSizes(4096, 4096, 33_554_432))
    #expect(negotiated.export.sizeBytes == 1 << 20)
    #expect(negotiated.export.unreachableBytes == 5)
    #expect(negotiated.notes.count == 1)
    #expect(negotiated.notes.first?.contains("the last 5 bytes") == true)
    #expect(try attach(information).export.sizeBytes == (1 << 20) + 5)
  }

  // The largest size there can be.
  // Rows: N-090
  @Test func `takes the largest size`() throws {
    let export = try attach(Server.information(0, "7fffffffffffffff 006d")).export
    #expect(export.sizeBytes == UInt64(Int64.max))
  }

  // What follows the ACK belongs to the transmission.
  // Rows: N-094
  @Test func `reads nothing after the ACK`() throws {
    let stream = ScriptedStream(
      Server.fixed + Server.export + Server.goAcknowledged + Server.reserved)
    _ = try negotiate(ExportRequest("disk"), over: stream)
    #expect(stream.unread == Server.reserved)
    #expect(stream.options == [7])
  }

  static let failures: [Failing] = [
    failing("N-073", Server.export + Server.reply(7, 1, [0]), .acknowledgementWithData(1), false),
    failing("N-074, N-071", Server.goAcknowledged, .noExportInformation, false),
    failing(
      "N-074", Server.blockSizes(1, 4096, 33_554_432) + Server.goAcknowledged,
      .noExportInformation, false),
    failing(
      "N-074", Server.information(0, "0000000000100000 0000") + Server.goAcknowledged,
      .noExportInformation, false),
    failing("N-075", Server.reply(7, 2, [0, 0, 0, 0]), .unexpectedReply(2)),
    failing("N-075", Server.reply(7, 4, hex("00000001 6261")), .unexpectedReply(4)),
    failing("N-076", Server.reply(7, 3), .informationTooShort(0)),
    failing("N-076", Server.reply(7, 3, [0]), .informationTooShort(1)),
    failing("N-077", Server.reply(7, 3, [0], announcing: 12), cut(1)),
    failing("N-078", Server.information(0, ""), .informationLength(.export, 2)),
    failing("N-078", Server.information(0, "0000000000100000 00"), .informationLength(.export, 11)),
    failing(
      "N-078", Server.information(0, "0000000000100000 006d 00"), .informationLength(.export, 13)),
    failing("N-079", Server.reply(7, 3, hex("0000 00000000"), announcing: 12), cut(4)),
    failing("N-079", Server.reply(7, 3, hex("0000 0000000000100000"), announcing: 12), cut(0)),
    failing(
      "N-080", Server.information(3, "00000001 00001000 020000"), .informationLength(.blockSize, 13)
    ),
    failing(
      "N-080", Server.information(3, "00000001 00001000 02000000 00"),
      .informationLength(.blockSize, 15)),
    failing("N-081", Server.blockSizes(0, 4096, 8192), .blockSizes(.minimum(0))),
    failing("N-081", Server.blockSizes(3, 4096, 8192), .blockSizes(.minimum(3))),
    failing("N-082", Server.blockSizes(1, 0, 8192), .blockSizes(.preferred(0))),
    failing("N-082", Server.blockSizes(1, 4095, 8192), .blockSizes(.preferred(4095))),
    failing("N-082", Server.blockSizes(4096, 512, 8192), .blockSizes(.preferred(512))),
    failing("N-083", Server.blockSizes(4096, 4096, 512), .blockSizes(.maximumPayload(512))),
    failing("N-083", Server.blockSizes(512, 512, 0), .blockSizes(.maximumPayload(0))),
    failing("N-089", Server.blockSizes(131072, 131072, 1 << 25), .blockSizes(.minimum(131072))),
    failing("N-089", Server.blockSizes(512, 65536, 4096), .blockSizes(.maximumPayload(4096))),
    failing("N-085, N-182", Server.reply(7, 3, hex("1234"), announcing: 70000), cut(0)),
    failing("N-087", Server.reply(7, 3, hex("0001 61"), announcing: 4), cut(1)),
    failing("N-096", Server.reply(7, 3, announcing: 0xffff_fff0), .tooManyBytes(limit: 16 << 20)),
    failing(
      "N-096", (0..<1025).flatMap { _ in Server.information(0x77, "") },
      .tooManyReplies(limit: 1024)),
    failing(
      "N-086", Server.export + Server.information(0, "0000000000001000 006d"),
      .contradiction(.export)),
    failing(
      "N-086", Server.export + Server.information(0, "0000000000100000 006f"),
      .contradiction(.export)),
    failing(
      "N-086", Server.blockSizes(1, 512, 1024) + Server.blockSizes(1, 512, 2048),
      .contradiction(.blockSize)),
    failing(
      "N-086", Server.information(1, "61") + Server.information(1, "62"), .contradiction(.name)),
    failing(
      "N-090", Server.information(0, "8000000000000000 006d"), .unaddressableSize(1 << 63)),
    failing(
      "N-090", Server.information(0, "ffffffffffffffff 006d"), .unaddressableSize(.max)),
    failing("N-097", Server.export + Server.refusal(7, 3), .refused(.invalid)),
  ]

  private static func failing(
    _ rows: String, _ replies: [UInt8], _ reason: NegotiationError.Reason, _ aborts: Bool = true
  ) -> Failing {
    Failing(rows, Server.fixed + replies, .option(.go), reason, aborts: aborts)
  }

  private static func cut(_ received: Int) -> NegotiationError.Reason {
    .receiving(.ended(received: received), awaiting: "the information about the export")
  }

  // Rows: N-071, N-073, N-074, N-075, N-076, N-077, N-078, N-079, N-080, N-081, N-082, N-083
  // Rows: N-085, N-086, N-087, N-089, N-090, N-096, N-097, N-182
  @Test(arguments: failures)
  func `refuses information that is none`(failing: Failing) { expectFailure(failing) }

  // The names there are help more than the one there is not.
  // Rows: N-034, N-038
  @Test func `names the exports there are where one is unknown`() {
    let stream = ScriptedStream(
      Server.fixed + Server.refusal(7, 6, "no such disk") + Server.listed("a")
        + Server.listed("b\u{202e}") + Server.acknowledgement(3))
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(ExportRequest("disk"), over: stream)
    }
    #expect(
      error
        == NegotiationError(
          step: .option(.go),
          reason: .unknownExport("disk", available: ["'a'", "'b\\u{202e}'"], more: 0),
          serverText: "no such disk"))
    #expect(stream.options == [7, 3, 2])
  }

  // Whatever becomes of the list; a server may list what it cannot open.
  // Rows: N-034
  @Test(arguments: [
    Server.refusal(3, 2), Server.refusal(3, 7), hex("00"), Server.reply(3, 3),
    Server.acknowledgement(3), Server.listed("disk") + Server.acknowledgement(3),
  ])
  func `says that an export is not available also without a list`(answer: [UInt8]) {
    let stream = ScriptedStream(Server.fixed + Server.refusal(7, 6) + answer)
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(ExportRequest("disk"), over: stream)
    }
    #expect(error == NegotiationError(step: .option(.go), reason: .refused(.unknown)))
    #expect(stream.options == [7, 3, 2])
  }
}
