// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// Choosing metadata contexts.
struct MetaContextTests {
  static let allocation = "base:allocation"

  private func choose(
    _ names: [String], _ replies: [UInt8]
  ) throws(NegotiationError) -> Negotiated {
    let stream = ScriptedStream(
      Server.fixed + Server.acknowledgement(8) + replies + Server.export + Server.goAcknowledged)
    return try negotiate(request(contexts: names), over: stream)
  }

  // Rows: N-138, N-139, N-140, N-141
  @Test(arguments: [
    Server.acknowledgement(10), Server.refusal(10, 1), Server.refusal(10, 2),
    Server.refusal(10, 3), Server.refusal(10, 0x63),
    Server.context(1, allocation) + Server.refusal(10, 1),
    Server.context(1, allocation) + Server.refusal(10, 9),
  ])
  func `goes on without what the server does not have`(answer: [UInt8]) throws {
    let negotiated = try choose([Self.allocation], answer)
    #expect(negotiated.contexts == [])
    #expect(negotiated.replies == .structured)
    #expect(negotiated.notes == [])
  }

  // Neither case nor a NUL makes a name another one's equal.
  // Rows: N-136, N-137, N-183
  @Test(arguments: ["base:other", "BASE:ALLOCATION", "base:allocation\0x", "base:allocatio"])
  func `takes no stranger`(name: String) throws {
    let negotiated = try choose(
      [Self.allocation], Server.context(1, name) + Server.acknowledgement(10))
    #expect(negotiated.contexts == [])
    #expect(negotiated.notes.count == 1)
    let both = try choose(
      [Self.allocation],
      Server.context(1, name) + Server.context(2, Self.allocation) + Server.acknowledgement(10))
    #expect(both.contexts == [MetadataContext(name: Self.allocation, id: 2)])
  }

  // Rows: N-142, N-147, N-148
  @Test func `maps names to ids in the order of the wish`() throws {
    let negotiated = try choose(
      ["qemu:dirty-bitmap:b0", "a:b", Self.allocation],
      Server.context(0xffff_ffff, Self.allocation) + Server.context(0, "qemu:dirty-bitmap:b0")
        + Server.context(0, "qemu:dirty-bitmap:b0") + Server.acknowledgement(10))
    #expect(
      negotiated.contexts == [
        MetadataContext(name: "qemu:dirty-bitmap:b0", id: 0),
        MetadataContext(name: Self.allocation, id: .max),
      ])
  }

  // Rows: N-131
  @Test func `asks only where replies are structured`() throws {
    let stream = ScriptedStream(
      Server.fixed + Server.refusal(8, 1) + Server.export + Server.goAcknowledged)
    #expect(try negotiate(request(contexts: [Self.allocation]), over: stream).contexts == [])
    #expect(stream.options == [8, 7])
  }

  static let failures: [Failing] = [
    failing("N-132", Server.reply(10, 1, [0, 0, 0, 0]), .acknowledgementWithData(4)),
    failing("N-133", Server.reply(10, 3), .unexpectedReply(3)),
    failing("N-134", Server.reply(10, 4), .contextLength(0)),
    failing("N-134", Server.reply(10, 4, hex("00000001")), .contextLength(4)),
    failing("N-134", Server.reply(10, 4, announcing: 4101), .contextLength(4101)),
    failing(
      "N-134", Server.reply(10, 4, announcing: 0xffff_ffff), .tooManyBytes(limit: 16 << 20)),
    failing(
      "N-137", Server.context(1, allocation) + Server.context(2, allocation),
      .contextTwice(allocation)),
    failing(
      "N-148", Server.context(1, allocation) + Server.context(1, "a:b"), .contextsShareID(1)),
    failing("N-141, N-035", Server.refusal(10, 7), .refused(.shutdown)),
    failing(
      "N-137, N-182", (0...1024).flatMap { Server.context(UInt32($0), "x:\($0)") },
      .tooManyReplies(limit: 1024)),
    failing("N-135", Server.reply(10, 4, hex("0000"), announcing: 19), cut(2), aborts: false),
    failing(
      "N-135", Server.reply(10, 4, hex("00000001 6261"), announcing: 19), cut(2), aborts: false),
  ]

  private static func failing(
    _ rows: String, _ replies: [UInt8], _ reason: NegotiationError.Reason, aborts: Bool = true
  ) -> Failing {
    Failing(
      rows, Server.fixed + Server.acknowledgement(8) + replies, .option(.setMetaContext), reason,
      aborts: aborts)
  }

  private static func cut(_ received: Int) -> NegotiationError.Reason {
    .receiving(.ended(received: received), awaiting: "a metadata context")
  }

  // Rows: N-035, N-132, N-133, N-134, N-135, N-137, N-141, N-148, N-182
  @Test(arguments: failures)
  func `refuses contexts that are none`(failing: Failing) {
    expectFailure(failing, request(contexts: [Self.allocation, "a:b"]))
  }
}
