// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// What is said about a failed negotiation, and whether it lasts.
struct NegotiationErrorTests {
  static let sentences: [(NegotiationError, String)] = [
    (
      error(.greeting, .notNBD(firstBytes: Array("HTTP/1.1".utf8))),
      "greeting: this is not an NBD server, it began with 48 54 54 50 2f 31 2e 31 (\"HTTP/1.1\");"
        + " check the address and the port"
    ),
    (
      error(.greeting, .notNBD(firstBytes: [0, 1, 2, 3, 4, 5, 6, 0xff])),
      "greeting: this is not an NBD server, it began with 00 01 02 03 04 05 06 ff;"
        + " check the address and the port"
    ),
    (
      error(.greeting, .receiving(.ended(received: 0), awaiting: "the first magic")),
      "greeting: the server closed the connection; the first magic did not come"
    ),
    (
      error(.greeting, .receiving(.timedOut(.seconds(30)), awaiting: "the first magic")),
      "greeting: waited 30 s for the first magic"
    ),
    (
      error(.clientFlags, .sending(.failed(.brokenPipe))),
      "client flags: could not send it, send: Broken pipe"
    ),
    (
      error(.option(.go), .refused(.tlsRequired)),
      "option GO: refused with ERR_TLS_REQD: the server requires TLS: use the scheme nbds"
        + " (or nbds+unix) and configure its credentials"
    ),
    (
      error(.option(.go), .refused(.policy), "go away"),
      "option GO: refused with ERR_POLICY: the server's policy forbids it;"
        + " the server said: \"go away\""
    ),
    (
      error(.option(.go), .unknownExport("x\n", available: ["'a'", "'b'"], more: 3)),
      "option GO: the server has no export 'x\\n'; it has: 'a', 'b' and 3 more"
    ),
    (
      error(.option(.go), .unknownExport("x", available: [], more: 0)),
      "option GO: the server has no export 'x'"
    ),
    (
      error(.option(.go), .unexpectedReply(2)),
      "option GO: the server broke the protocol: it answered with reply type 2 (SERVER)"
    ),
    (
      error(.option(.go), .unexpectedReply(0x7fff_ffff)),
      "option GO: the server broke the protocol: it answered with the unknown reply type 7fffffff"
    ),
    (
      error(.option(.go), .refusedWithUnknownError(0x8000_0063)),
      "option GO: refused with an unknown error, 80000063"
    ),
    (
      error(.option(.go), .answersOtherOption(8)),
      "option GO: the server broke the protocol: it answered option 8 (STRUCTURED_REPLY),"
        + " which was not asked"
    ),
    (
      error(.oldstyleHeader, .unknownUpperFlags(0x0001_0003)),
      "oldstyle greeting: the server set unknown flags, 00010003"
    ),
  ]

  private static func error(
    _ step: NegotiationError.Step, _ reason: NegotiationError.Reason, _ text: String? = nil
  ) -> NegotiationError {
    NegotiationError(step: step, reason: reason, serverText: text)
  }

  // Rows: N-001, N-011, N-033, N-037, N-038, N-055, N-122, N-184, N-186
  @Test(arguments: sentences)
  func `says what came and what to do`(error: NegotiationError, sentence: String) {
    #expect(error.description == sentence)
  }

  // Every refusal has a name and a meaning of its own.
  // Rows: N-030, N-031, N-032, N-033, N-034, N-035, N-036, N-037
  @Test func `knows every refusal`() {
    let errors = OptionError.allCases
    #expect(errors.map(\.rawValue) == (1...10).map { 0x8000_0000 + $0 })
    #expect(Set(errors.map(\.name)).count == 10)
    #expect(Set(errors.map(\.description)).count == 10)
    #expect(errors.first?.name == "ERR_UNSUP")
    #expect(errors.last?.name == "ERR_EXT_HEADER_REQD")
  }

  // Rows: N-184
  @Test(
    arguments: [
      (.notNBD(firstBytes: []), true), (.unknownStyle(0), true), (.noNamedExports("x"), true),
      (.unusableName("", .holdsNUL), true), (.wrongReplyMagic(0), true), (.noFlags, true),
      (.refused(.tlsRequired), true), (.refused(.policy), true), (.refused(.invalid), true),
      (.refused(.platform), true), (.noExportInformation, true), (.unaddressableSize(.max), true),
      (.tooManyReplies(limit: 1), true), (.blockSizes(.minimum(0)), true),
      (.refused(.unknown), false), (.refused(.shutdown), false), (.hungUpOnName("x"), false),
      (.unknownExport("x", available: [], more: 0), false), (.replyInPlaceOfExport, false),
      (.refusedWithUnknownError(0x8000_0063), false), (.sending(.interrupted), false),
      (.receiving(.ended(received: 0), awaiting: "the first magic"), false),
      (.receiving(.timedOut(.seconds(1)), awaiting: "the first magic"), false),
    ] as [(NegotiationError.Reason, Bool)])
  func `tells what lasts from what may pass`(reason: NegotiationError.Reason, lasts: Bool) {
    #expect(NegotiationError(step: .greeting, reason: reason).isPersistent == lasts)
  }
}
