// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// The demand for TLS, which nothing lowers.
struct StartTLSTests {
  static let granted = Server.fixed + Server.acknowledgement(5)

  // All that is agreed on is agreed on inside TLS, in the recommended order.
  // Rows: N-040, N-048, N-051, N-053, N-058, N-060, N-063, N-065, N-067, N-130, N-131
  @Test func `asks for TLS first, and for the rest inside`() throws {
    let inside =
      Server.refusal(11, 1) + Server.acknowledgement(8) + Server.context(7, "base:allocation")
      + Server.acknowledgement(10) + Server.export + Server.goAcknowledged
    let stream = ScriptedStream(Self.granted, secured: .success(inside))
    let negotiated = try negotiate(
      request(security: .required, extendedHeaders: true, contexts: ["base:allocation"]),
      over: stream)
    #expect(stream.options == [5, 11, 8, 10, 7])
    #expect(stream.sentInTheClear == 4 + 16)
    #expect(stream.sent.dropFirst(4).prefix(16) == hex("49484156454f5054 00000005 00000000")[...])
    #expect(negotiated.isSecure)
    #expect(negotiated.replies == .structured)
    #expect(negotiated.notes == [])
    #expect(stream.unread == [])
  }

  // Rows: U-002
  @Test func `a URI with TLS in its scheme cannot be asked for in the clear`() throws {
    for scheme in ["nbds", "nbds+unix", "nbds+vsock"] {
      let rest = scheme.hasSuffix("unix") ? ":///x?socket=/s" : "://2/x"
      #expect(ExportRequest(try URI(parsing: scheme + rest)).security == .required)
    }
    #expect(ExportRequest(try URI(parsing: "nbd://h/x")).security == .none)
  }

  // Rows: N-045, U-002
  @Test(arguments: [Security.required, .opportunistic])
  func `reads nothing where there is no TLS on this side`(security: Security) {
    let stream = ScriptedStream(Self.granted)
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(request(security: security), over: stream)
    }
    #expect(error?.reason == .cannotSecure)
    #expect(stream.passed == [])
  }

  // Rows: N-046
  @Test func `fails on an oldstyle server with nothing but its magics read`() {
    let stream = ScriptedStream(
      Server.oldstyle("0000000000100000 00000003"), secured: .success([]))
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(request("", security: .required), over: stream)
    }
    #expect(error?.reason == .tlsNotOffered(.oldstyle))
    #expect(stream.unread.count == 136)
    #expect(stream.sent == [])
  }

  // Neither STARTTLS nor ABORT nor EXPORT_NAME.
  // Rows: N-047, N-181
  @Test func `fails on a server without fixed newstyle`() {
    let stream = ScriptedStream(Server.greeting(0) + Server.shortAnswer, secured: .success([]))
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(request(security: .required), over: stream)
    }
    #expect(error?.reason == .tlsNotOffered(.newstyle))
    #expect(stream.sent.count == 4)
  }

  static let refusals: [Failing] = [
    refused("N-049", Server.refusal(5, 1, "no"), .tlsNotOffered(.fixedNewstyle), text: "no"),
    refused("N-050", Server.refusal(5, 2), .refused(.policy)),
    refused("N-050", Server.refusal(5, 3), .refused(.invalid)),
    refused("N-035, N-050", Server.refusal(5, 7), .refused(.shutdown)),
    refused("N-056", Server.refusal(5, 5), .tlsRequiredInsideTLS),
    refused("N-042", Server.reply(5, 1, [0, 0, 0, 0]), .acknowledgementWithData(4)),
    refused("N-041", Server.reply(5, 3, hex("0000")), .unexpectedReply(3)),
    refused("N-025", Server.acknowledgement(8), .answersOtherOption(8)),
    refused(
      "N-027, N-050", Server.refusal(5, 2, String(repeating: "A", count: 4097)), .refused(.policy),
      text: String(repeating: "A", count: 4096) + "…"),
  ]

  private static func refused(
    _ rows: String, _ reply: [UInt8], _ reason: NegotiationError.Reason, text: String? = nil
  ) -> Failing {
    Failing(
      rows, Server.fixed + reply, .option(.startTLS), reason, aborts: true, text: text)
  }

  // Rows: N-025, N-027, N-035, N-040, N-041, N-042, N-049, N-050, N-056, U-002
  @Test(arguments: refusals)
  func `never goes on in the clear`(failing: Failing) {
    expectFailure(failing, request(security: .required))
  }

  // What came behind the ACK belongs to the handshake, and is never read as replies.
  // Rows: N-051, N-052, N-053
  @Test func `takes nothing that came in the clear after the ACK`() {
    let stream = ScriptedStream(
      Self.granted + Server.export + Server.goAcknowledged, secured: .success([]))
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(request(security: .required), over: stream)
    }
    #expect(error?.step == .tls)
    #expect(stream.options == [5])
    #expect(stream.unread.count == Server.export.count + 20)
  }

  // Rows: N-052, N-181
  @Test(
    arguments: [
      (.handshakeFailed(reason: "the certificate expired", isPersistent: true), true),
      (.handshakeFailed(reason: "an alert", isPersistent: false), false),
      (.ended(received: 0), false),
      (.timedOut(.seconds(3)), false), (.failed(.connectionReset), false),
      (.interrupted, false),
    ] as [(StreamError, Bool)])
  func `sends nothing after a failed handshake`(failure: StreamError, lasts: Bool) {
    let stream = ScriptedStream(Self.granted, secured: .failure(failure))
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(request(security: .required), over: stream)
    }
    #expect(error == NegotiationError(step: .tls, reason: .securing(failure)))
    #expect(error?.isPersistent == lasts)
    #expect(error?.description.hasPrefix("TLS handshake: ") == true)
    #expect(stream.options == [5])
  }

  // Rows: N-052, N-181
  @Test func `tells a verdict that comes late as the failure of the handshake`() {
    let verdict = StreamError.handshakeFailed(reason: "no certificate", isPersistent: true)
    let stream = ScriptedStream(Self.granted, end: verdict, secured: .success([]))
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(request(security: .required), over: stream)
    }
    #expect(error == NegotiationError(step: .tls, reason: .securing(verdict)))
    #expect(error?.isPersistent == true)
    #expect(stream.options == [5, 7])
  }

  // Rows: N-056
  @Test func `does not obey a wish for TLS inside TLS`() {
    let stream = ScriptedStream(Self.granted, secured: .success(Server.refusal(7, 5)))
    let error = #expect(throws: NegotiationError.self) {
      try negotiate(request(security: .required), over: stream)
    }
    #expect(error?.reason == .tlsRequiredInsideTLS)
    #expect(stream.options == [5, 7, 2])
  }

  // Rows: N-057
  @Test(arguments: [Server.refusal(5, 1), Server.refusal(5, 2, "not you")])
  func `goes on in the clear where that is allowed, and says so`(refusal: [UInt8]) throws {
    let stream = ScriptedStream(
      Server.fixed + refusal + Server.export + Server.goAcknowledged, secured: .success([]))
    let negotiated = try negotiate(request(security: .opportunistic), over: stream)
    #expect(stream.options == [5, 7])
    #expect(!negotiated.isSecure)
    #expect(negotiated.notes.count == 1)
    #expect(negotiated.notes.first?.hasPrefix("the connection is not encrypted: ") == true)
  }

  // Rows: N-046, N-047, N-057
  @Test func `says also of older servers that they are in the clear`() throws {
    let oldstyle = ScriptedStream(
      Server.oldstyle("0000000000100000 00000003"), secured: .success([]))
    #expect(
      try negotiate(request("", security: .opportunistic), over: oldstyle).notes.count == 1)
    let newstyle = ScriptedStream(Server.greeting(2) + Server.shortAnswer, secured: .success([]))
    #expect(try negotiate(request(security: .opportunistic), over: newstyle).notes.count == 1)
  }

  // Rows: N-057
  @Test(arguments: [Server.refusal(5, 5), Server.refusal(5, 7), Server.refusal(5, 0x63)])
  func `is not put off by other refusals`(refusal: [UInt8]) {
    let stream = ScriptedStream(Server.fixed + refusal, secured: .success([]))
    #expect(throws: NegotiationError.self) {
      try negotiate(request(security: .opportunistic), over: stream)
    }
    #expect(stream.options == [5, 2])
  }

  // Rows: N-011, N-180
  @Test func `gives the handshake a deadline of its own`() throws {
    let stream = ScriptedStream(
      Self.granted, secured: .success(Server.export + Server.goAcknowledged))
    _ = try negotiate(request(security: .required), over: stream)
    // The greeting, the client flags, STARTTLS, the handshake and GO.
    #expect(stream.steps == 5)
  }
}
