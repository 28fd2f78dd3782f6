// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// The reading of replies, which every option shares.
struct OptionReplyTests {
  static let formats: [Failing] = [
    Failing(
      "N-023", Server.fixed, .option(.go),
      .receiving(.ended(received: 0), awaiting: "the answer"), aborts: true),
    Failing(
      "N-023", Server.fixed + hex("0003e889045565a9 0000"), .option(.go),
      .receiving(.ended(received: 2), awaiting: "the answer"), aborts: true),
    Failing(
      "N-024", Server.fixed + hex("0003e889045565aa 00000007 00000001 00000000"), .option(.go),
      .wrongReplyMagic(0x0003_e889_0455_65aa), aborts: true),
    Failing(
      "N-024, byte-swapped", Server.fixed + hex("a965550489e80300 00000007 00000001 00000000"),
      .option(.go), .wrongReplyMagic(0xa965_5504_89e8_0300), aborts: true),
    Failing(
      "N-025", Server.fixed + Server.acknowledgement(8), .option(.go), .answersOtherOption(8),
      aborts: true),
    Failing(
      "N-025, unknown", Server.fixed + Server.reply(0x77, 1), .option(.go),
      .answersOtherOption(0x77), aborts: true),
    Failing(
      "N-026", Server.fixed + Server.reply(7, 0x7fff_ffff), .option(.go),
      .unexpectedReply(0x7fff_ffff), aborts: true),
    Failing(
      "N-026", Server.fixed + Server.reply(7, 0), .option(.go), .unexpectedReply(0), aborts: true),
    Failing(
      "N-027", Server.fixed + Server.reply(7, 0x8000_0002, announcing: 0xffff_ffff), .option(.go),
      .refusalTooLong(0x8000_0002, length: 0xffff_ffff), aborts: true),
    Failing(
      "N-027", Server.fixed + Server.reply(7, 0x8000_0002, announcing: 0x0200_0001), .option(.go),
      .refusalTooLong(0x8000_0002, length: 0x0200_0001), aborts: true),
    Failing(
      "N-028", Server.fixed + Server.reply(7, 0x8000_0002, Array("no".utf8), announcing: 9),
      .option(.go), .receiving(.ended(received: 2), awaiting: "the text of its refusal ERR_POLICY"),
      aborts: true),
  ]

  // Rows: N-023, N-024, N-025, N-026, N-027, N-028
  @Test(arguments: formats)
  func `refuses a reply that is none`(failing: Failing) { expectFailure(failing) }

  static let refusals: [Failing] = [
    refusal("N-030", 2, .refused(.policy)), refusal("N-031", 3, .refused(.invalid)),
    refusal("N-032", 4, .refused(.platform)), refusal("N-033, N-055", 5, .refused(.tlsRequired)),
    refusal("N-035", 7, .refused(.shutdown)), refusal("N-036", 8, .refused(.blockSizeRequired)),
    refusal("N-037", 9, .refused(.tooBig)),
    refusal("N-037", 10, .refused(.extendedHeadersRequired)),
    refusal("N-037", 0x63, .refusedWithUnknownError(0x8000_0063)),
  ]

  static func refusal(
    _ row: String, _ number: UInt32, _ reason: NegotiationError.Reason
  ) -> Failing {
    Failing(
      row, Server.fixed + Server.refusal(7, number, "so\nit is"), .option(.go), reason,
      aborts: true, text: "so\\nit is")
  }

  // Rows: N-030, N-031, N-032, N-033, N-035, N-036, N-037, N-038, N-055, N-066, N-186
  @Test(arguments: refusals)
  func `passes a refusal on, with what the server said`(failing: Failing) {
    expectFailure(failing)
  }

  // Block sizes are asked for at once, so there is nothing to ask again.
  // Rows: N-036
  @Test func `does not ask twice where block sizes are required`() {
    let stream = ScriptedStream(Server.fixed + Server.refusal(7, 8))
    #expect(throws: NegotiationError.self) { try negotiate(ExportRequest("disk"), over: stream) }
    #expect(stream.options == [7, 2])
    #expect(stream.sent.dropLast(16).suffix(4) == [0, 1, 0, 3])
  }

  // The class of the refusal survives its text.
  // Rows: N-027, N-030, N-038
  @Test(arguments: [4096, 4097, 65536])
  func `cuts a long text and keeps the refusal`(length: Int) {
    let text = String(repeating: "A", count: length)
    let stream = ScriptedStream(Server.fixed + Server.refusal(7, 2, text))
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(ExportRequest("disk"), over: stream)
    }
    #expect(error?.reason == .refused(.policy))
    #expect(error?.serverText == (length > 4096 ? text.prefix(4096) + "…" : text))
    #expect(stream.unread == [])
  }

  // No text, no hint.
  // Rows: N-028, N-029, N-038
  @Test func `has no text where the server sent none`() {
    let stream = ScriptedStream(Server.fixed + Server.refusal(7, 3))
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(ExportRequest("disk"), over: stream)
    }
    #expect(error == NegotiationError(step: .option(.go), reason: .refused(.invalid)))
  }

  // The courtesy is an empty option, and no answer to it is read.
  // Rows: N-039
  @Test func `sends ABORT and looks at no answer`() {
    let answer = hex("0000000000000000000000000000000000000000")
    let stream = ScriptedStream(Server.fixed + Server.refusal(7, 2) + answer)
    #expect(throws: NegotiationError.self) { try negotiate(ExportRequest(""), over: stream) }
    #expect(stream.sent.suffix(16) == hex("49484156454f5054 00000002 00000000")[...])
    #expect(stream.unread == answer)
  }

  // The failure that is reported is the first one.
  // Rows: N-039
  @Test func `ignores that ABORT cannot be sent`() {
    let stream = ScriptedStream(Server.fixed + Server.refusal(7, 2), writable: 4 + 16 + 8 + 5)
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(ExportRequest(""), over: stream)
    }
    #expect(error?.reason == .refused(.policy))
  }

  // Nothing is read at once because a server announced it.
  // Rows: N-096, N-170, N-182
  @Test func `reads long data in pieces`() {
    let long = Server.reply(7, 3, hex("1234"), announcing: 16 << 20)
    let stream = ScriptedStream(Server.fixed + long + [UInt8](repeating: 0, count: 1 << 20))
    #expect(throws: NegotiationError.self) { try negotiate(ExportRequest(""), over: stream) }
    #expect(stream.largestRead == 65536)
  }
}
