// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// How replies will look.
struct ReplyOptionsTests {
  private func agree(
    _ wanted: ExportRequest, _ replies: [UInt8]
  ) throws(NegotiationError) -> (Negotiated, [UInt32]) {
    let stream = ScriptedStream(
      Server.fixed + replies + Server.export + Server.goAcknowledged)
    return (try negotiate(wanted, over: stream), stream.options)
  }

  // Rows: N-009, N-040, N-060, N-061, N-062, N-067
  @Test(
    arguments: [
      (Server.acknowledgement(8), .structured), (Server.refusal(8, 1, "old"), .simple),
      (Server.refusal(8, 2), .simple), (Server.refusal(8, 3), .simple),
      (Server.refusal(8, 4), .simple), (Server.refusal(8, 0x63), .simple),
    ] as [([UInt8], ReplyStyle)])
  func `are structured where the server agrees`(answer: [UInt8], style: ReplyStyle) throws {
    let (negotiated, options) = try agree(request(structuredReplies: true), answer)
    #expect(negotiated.replies == style)
    #expect(options == [8, 7])
  }

  // Rows: N-063, N-065, N-066, N-067
  @Test(
    arguments: [
      (Server.acknowledgement(11), .extended, [11, 7]),
      (Server.refusal(11, 1) + Server.acknowledgement(8), .structured, [11, 8, 7]),
      (Server.refusal(11, 2) + Server.refusal(8, 10), .simple, [11, 8, 7]),
    ] as [([UInt8], ReplyStyle, [UInt32])])
  func `are extended where the server agrees`(
    answers: [UInt8], style: ReplyStyle, options: [UInt32]
  ) throws {
    let (negotiated, sent) = try agree(request(extendedHeaders: true), answers)
    #expect(negotiated.replies == style)
    #expect(sent == options)
  }

  static let failures: [Failing] = [
    failing("N-035, N-062", 11, Server.refusal(11, 7), .refused(.shutdown)),
    failing("N-062", 11, Server.refusal(11, 5), .refused(.tlsRequired)),
    failing("N-042", 11, Server.reply(11, 1, [0]), .acknowledgementWithData(1)),
    failing("N-035", 8, Server.refusal(11, 1) + Server.refusal(8, 7), .refused(.shutdown)),
    failing("N-041", 8, Server.refusal(11, 1) + Server.reply(8, 2), .unexpectedReply(2)),
    failing("N-041", 8, Server.refusal(11, 1) + Server.reply(8, 0), .unexpectedReply(0)),
    failing(
      "N-042, nothing is drained", 8,
      Server.refusal(11, 1) + Server.reply(8, 1, announcing: 0xffff_ffff),
      .acknowledgementWithData(0xffff_ffff)),
  ]

  private static func failing(
    _ rows: String, _ option: UInt32, _ replies: [UInt8], _ reason: NegotiationError.Reason
  ) -> Failing {
    Failing(
      rows, Server.fixed + replies, .option(NegotiationOption(rawValue: option) ?? .abort), reason,
      aborts: true)
  }

  // Rows: N-035, N-040, N-041, N-042, N-062
  @Test(arguments: failures)
  func `end the negotiation where the connection is at stake`(failing: Failing) {
    expectFailure(failing, request(extendedHeaders: true))
  }

  // Rows: N-064, N-181
  @Test func `forbid EXPORT_NAME where they are extended`() {
    expectFailure(
      Failing(
        "N-064", Server.fixed + Server.acknowledgement(11) + Server.refusal(7, 1), .option(.go),
        .extendedHeadersWithoutGo, aborts: true), request(extendedHeaders: true))
  }

  // Rows: N-112
  @Test func `stay structured after EXPORT_NAME`() throws {
    let stream = ScriptedStream(
      Server.fixed + Server.acknowledgement(8) + Server.context(1, "base:allocation")
        + Server.acknowledgement(10) + Server.refusal(7, 1) + Server.refusal(3, 1)
        + Server.shortAnswer)
    let negotiated = try negotiate(request(contexts: ["base:allocation"]), over: stream)
    #expect(stream.options == [8, 10, 7, 3, 1])
    #expect(negotiated.replies == .structured)
    #expect(negotiated.contexts == [MetadataContext(name: "base:allocation", id: 1)])
    #expect(negotiated.export.blockSizes == nil)
  }

  // Rows: N-036, N-099
  @Test func `come with block sizes only where these are kept, or required`() throws {
    var wanted = request()
    wanted.keepsBlockSizes = false
    let content = ScriptedStream(Server.fixed + Server.export + Server.goAcknowledged)
    _ = try negotiate(wanted, over: content)
    #expect(content.sent.suffix(2) == [0, 0])

    let strict = ScriptedStream(
      Server.fixed + Server.refusal(7, 8) + Server.blockSizes(512, 4096, 1 << 20) + Server.export
        + Server.goAcknowledged)
    #expect(try negotiate(wanted, over: strict).export.blockSizes?.minimum == 512)
    #expect(strict.options == [7, 7])
    #expect(strict.sent.suffix(4) == [0, 1, 0, 3])

    let hopeless = ScriptedStream(Server.fixed + Server.refusal(7, 8) + Server.refusal(7, 8))
    let error = #expect(throws: NegotiationError.self) { try negotiate(wanted, over: hopeless) }
    #expect(error?.reason == .refused(.blockSizeRequired))
    #expect(hopeless.options == [7, 7, 2])
  }

  // Rows: N-020, N-060, N-130, N-131
  @Test func `are asked for byte by byte`() throws {
    let expected = transcript(
      """
      S 4e42444d41474943 49484156454f5054 0003
      C 00000003
      C 49484156454f5054 00000008 00000000
      S 0003e889045565a9 00000008 00000001 00000000
      C 49484156454f5054 0000000a 0000003b 00000004 6469736b 00000002
      C 0000000f 626173653a616c6c6f636174696f6e
      C 00000018 71656d753a64697274792d6269746d61703a6261636b7570
      S 0003e889045565a9 0000000a 00000004 0000001c 00000002
      S 71656d753a64697274792d6269746d61703a6261636b7570
      S 0003e889045565a9 0000000a 00000004 00000013 00000001 626173653a616c6c6f636174696f6e
      S 0003e889045565a9 0000000a 00000001 00000000
      C 49484156454f5054 00000007 0000000c 00000004 6469736b 0001 0003
      S 0003e889045565a9 00000007 00000003 0000000c 0000 0000000000100000 006d
      S 0003e889045565a9 00000007 00000001 00000000
      """)
    let stream = ScriptedStream(expected.filter { $0.speaker == .server }.flatMap(\.bytes))
    let names = ["base:allocation", "qemu:dirty-bitmap:backup"]
    let negotiated = try negotiate(request(contexts: names), over: stream)
    #expect(negotiated.contexts.map(\.name) == names)
    #expect(negotiated.contexts.map(\.id) == [1, 2])
    #expect(stream.passed.map(\.description) == expected.map(\.description))
  }

  @Test func `are done without where the server hangs up on what it does not know`() throws {
    let end = Server.export + Server.goAcknowledged
    let stream = ScriptedStream(
      Server.fixed, later: [Server.fixed, Server.fixed + end])
    let negotiated = try negotiate(request(extendedHeaders: true), over: stream)
    #expect(negotiated.replies == .simple)
    #expect(negotiated.notes.count == 2)
    #expect(stream.options == [7])

    let half = ScriptedStream(
      Server.fixed + Server.acknowledgement(11).prefix(5), later: [Server.fixed + end])
    #expect(throws: NegotiationError.self) {
      try negotiate(request(extendedHeaders: true), over: half)
    }

    let silent = ScriptedStream(
      Server.fixed, end: .timedOut(.seconds(1)), later: [Server.fixed + end])
    #expect(throws: NegotiationError.self) {
      try negotiate(request(extendedHeaders: true), over: silent)
    }
  }
}
