// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// What a server tells about one export.
struct DescriptionTests {
  // Rows: N-034, N-060, N-087, N-088, N-095, N-143, N-163
  @Test func `comes without attaching`() throws {
    let told =
      Server.reply(6, 3, hex("0001 6d61696e")) + Server.reply(6, 3, hex("0002 6f6e6c79"))
      + Server.info
    let stream = ScriptedStream(
      Server.fixed + Server.acknowledgement(8) + told + Server.context(0, "qemu:a", 9)
        + Server.acknowledgement(9))
    let description = try describe(request("", details: true), over: stream)
    #expect(description.export.canonicalName == "main")
    #expect(description.export.description == "only")
    #expect(description.contexts == ["qemu:a"])
    #expect(description.replies == .structured)
    #expect(stream.options == [8, 6, 9, 2])
  }

  // Rows: N-063, N-064, N-146
  @Test func `tells that headers could be extended`() throws {
    let stream = ScriptedStream(
      Server.fixed + Server.acknowledgement(11) + Server.info + Server.refusal(9, 2))
    #expect(try describe(request(extendedHeaders: true), over: stream).replies == .extended)
    #expect(stream.options == [11, 6, 9, 2])
    let strange = ScriptedStream(Server.fixed + Server.acknowledgement(11) + Server.refusal(6, 1))
    let error = #expect(throws: NegotiationError.self) {
      try describe(request(extendedHeaders: true), over: strange)
    }
    #expect(error?.reason == .extendedHeadersWithoutGo)
  }

  // After INFO the server still understands options, after GO it does not.
  // Rows: N-073, N-074
  @Test(arguments: [Server.acknowledgement(6), Server.reply(6, 1, [0])])
  func `ends in ABORT also where INFO told nothing`(answer: [UInt8]) {
    let stream = ScriptedStream(Server.fixed + Server.refusal(8, 1) + answer)
    #expect(throws: NegotiationError.self) { try describe(request(), over: stream) }
    #expect(stream.options == [8, 6, 2])
  }

  // Rows: N-034, N-036, N-071
  @Test func `is not there where the export is not`() {
    let stream = ScriptedStream(
      Server.fixed + Server.refusal(8, 1) + Server.refusal(6, 6) + Server.listed("other")
        + Server.acknowledgement(3))
    let error = #expect(throws: NegotiationError.self) { try describe(request(), over: stream) }
    #expect(
      error
        == NegotiationError(
          step: .option(.info),
          reason: .unknownExport("disk", available: ["'other'"], more: 0)))
    #expect(stream.options == [8, 6, 3, 2])
  }

  static let older: [([UInt8], String, Int)] = [
    (
      Server.fixed + Server.refusal(8, 1) + Server.refusal(6, 1) + Server.refusal(3, 1)
        + Server.shortAnswer, "disk", 4 + 16 + 28 + 16 + 20
    ),
    (Server.greeting(0) + Server.shortAnswer + Server.reserved, "disk", 4 + 16 + 4),
    (Server.oldstyle("0000000000100000 0000006d"), "", 0),
  ]

  // Rows: N-010, N-100, N-105, N-125, T-095
  @Test(arguments: older)
  func `takes attaching and leaving on older servers`(
    server: [UInt8], name: String, sent: Int
  ) throws {
    let stream = ScriptedStream(server)
    #expect(try describe(request(name), over: stream).export.sizeBytes == 1 << 20)
    #expect(stream.sent.count == sent + 28)
    #expect(stream.sent.suffix(28).prefix(8) == hex("25609513 0000 0002")[...])
    #expect(stream.unread == [])
  }

  // Rows: N-113, N-120
  @Test func `is not asked for under a name that cannot be one`() {
    let stream = ScriptedStream(Server.oldstyle("0000000000100000 0000006d"))
    #expect(throws: NegotiationError.self) { try describe(request("a\0b"), over: stream) }
    #expect(stream.passed == [])
    #expect(throws: NegotiationError.self) { try describe(request("disk"), over: stream) }
    #expect(stream.sent == [])
  }
}
