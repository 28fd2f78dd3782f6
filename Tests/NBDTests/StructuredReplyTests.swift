// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// Replies in chunks.
struct StructuredReplyTests {
  static let half = [UInt8](repeating: 7, count: 256)

  private static func data(_ offset: UInt64, _ count: Int, last: Bool = false) -> [UInt8] {
    Wire.chunk(1, 1, Wire.data(offset, [UInt8](repeating: 7, count: count)), last: last)
  }

  private static func hole(_ offset: UInt64, _ length: UInt32, last: Bool = false) -> [UInt8] {
    Wire.chunk(1, 2, Wire.hole(offset, length), last: last)
  }

  // Rows: T-040, T-043, T-044, T-045, T-048, T-050
  @Test func `bring data and holes in any order`() throws {
    let pieces = try read(
      .structured,
      Self.hole(1408, 128) + Self.data(1024, 256) + Self.hole(1280, 128)
        + Wire.chunk(1, 0, last: true))
    #expect(
      pieces == [
        Piece(offset: 1024, content: .data(Self.half)), Piece(offset: 1280, content: .hole(128)),
        Piece(offset: 1408, content: .hole(128)),
      ])
    #expect(pieces.map(\.length) == [256, 128, 128])
    #expect(try read(.structured, Self.hole(1024, 512, last: true)).count == 1)
  }

  // Rows: T-042
  @Test func `may have flags nobody knows`() throws {
    var script = Self.data(1024, 512, last: true)
    script[4] = 0xff
    script[5] = 0xff
    #expect(try read(.structured, script).count == 1)
  }

  // Rows: T-012, T-041
  @Test func `may be interleaved`() throws {
    let (transmission, _) = transmit(
      terms(.structured),
      Wire.chunk(2, 1, Wire.data(8, [2, 2])) + Wire.chunk(1, 1, Wire.data(0, [1, 1]), last: true)
        + Wire.chunk(2, 2, Wire.hole(10, 2), last: true))
    _ = try transmission.submit(Request(.read, offset: 0, length: 2))
    _ = try transmission.submit(Request(.read, offset: 8, length: 4))
    #expect(transmission.next()?.cookie == 1)
    let second = try transmission.next()?.result.get()
    #expect(
      second
        == .data([
          Piece(offset: 8, content: .data([2, 2])), Piece(offset: 10, content: .hole(2)),
        ]))
  }

  // Rows: T-060
  @Test func `may come byte by byte`() throws {
    let script = (0..<512).flatMap { Self.data(1024 + UInt64($0), 1) }
    #expect(try read(.structured, script + Wire.chunk(1, 0, last: true)).count == 512)
    let errors = (0..<1026).flatMap { _ in Wire.chunk(1, 0x8001, Wire.error(5)) }
    expectReadFailure(.structured, errors, .violation(.tooManyChunks(limit: 1025)))
  }

  static let violations: [(String, [UInt8], Violation)] = [
    ("T-030", Wire.simple(1, half + half), .simpleReply),
    ("T-041", Wire.chunk(2, 0, last: true), .unknownCookie(2)),
    ("T-044", Wire.chunk(1, 0, [0, 0, 0, 0], last: true), .chunkLength(0, 4)),
    ("T-044", Wire.chunk(1, 0), .endlessNone),
    ("T-044", Wire.chunk(1, 0, last: true, announcing: .max), .chunkLength(0, 0xffff_ffff)),
    ("T-045", Wire.chunk(1, 1, hex("00000000000004")), .chunkLength(1, 7)),
    ("T-045", Wire.chunk(1, 1, Wire.data(1024, [])), .chunkLength(1, 8)),
    ("T-046, T-060", Wire.chunk(1, 1, announcing: .max), .chunkLength(1, 0xffff_ffff)),
    ("T-046, T-060", data(1024, 513), .chunkLength(1, 521)),
    ("T-046", data(1023, 1), .outOfRange(offset: 1023, length: 1)),
    ("T-046", data(0, 512), .outOfRange(offset: 0, length: 512)),
    ("T-046", data(1280, 257), .outOfRange(offset: 1280, length: 257)),
    ("T-046", data(.max - 5, 16), .outOfRange(offset: .max - 5, length: 16)),
    ("T-047", data(1024, 256) + data(1279, 2), .overlap(offset: 1279, length: 2)),
    ("T-047", data(1024, 256) + data(1024, 256), .overlap(offset: 1024, length: 256)),
    // As many bytes as were asked for, and still a gap (C50).
    (
      "T-047", data(1024, 256) + data(1152, 256) + Wire.chunk(1, 0, last: true),
      .overlap(offset: 1152, length: 256)
    ),
    ("T-048", Wire.chunk(1, 2, hex("0000000000000400 000001")), .chunkLength(2, 11)),
    ("T-048", Wire.chunk(1, 2, Wire.hole(1024, 1) + [0]), .chunkLength(2, 13)),
    ("T-049", hole(1024, 0), .outOfRange(offset: 1024, length: 0)),
    ("T-049", hole(1024, 513), .outOfRange(offset: 1024, length: 513)),
    ("T-049", hole(1024, .max), .outOfRange(offset: 1024, length: 0xffff_ffff)),
    ("T-049, T-047", data(1024, 512) + hole(1024, 1), .overlap(offset: 1024, length: 1)),
    ("T-052", Wire.chunk(1, 5, Wire.status(1, [(512, 0)]), last: true), .chunkType(5)),
    ("T-052", Wire.chunk(1, 6, Wire.wideStatus(1, [(512, 0)]), last: true), .chunkType(6)),
    ("T-053", Wire.chunk(1, 3, [1, 2], last: true), .chunkType(3)),
    (
      "T-054", Wire.chunk(1, 0x8063, hex("00000005 ffff 61"), last: true),
      .errorText(65535, chunk: 7)
    ),
    ("T-054", Wire.chunk(1, 0x8063, hex("00000005"), last: true), .chunkLength(0x8063, 4)),
    ("T-055", Wire.chunk(1, 0x8001, hex("0000000500"), last: true), .chunkLength(0x8001, 5)),
    ("T-055", Wire.chunk(1, 0x8001, hex("00000005 0002 61"), last: true), .errorText(2, chunk: 7)),
    ("T-060", Wire.chunk(1, 0x8001, last: true, announcing: 65537), .chunkLength(0x8001, 65537)),
    (
      "T-057", Wire.chunk(1, 0x8002, hex("00000005 0000 00000000000004")),
      .chunkLength(0x8002, 13)
    ),
    (
      "T-057", Wire.chunk(1, 0x8002, hex("00000005 0001 0000000000000400")),
      .errorText(1, chunk: 14)
    ),
    ("T-057", Wire.chunk(1, 0x8002, Wire.error(5, at: 1536)), .errorOffset(1536)),
    ("T-057", Wire.chunk(1, 0x8002, Wire.error(5, at: 1023)), .errorOffset(1023)),
  ]

  // Rows: T-030, T-041, T-044, T-045, T-046, T-047, T-048, T-049, T-052, T-053, T-054, T-055, T-057
  // Rows: T-060, T-098
  @Test(arguments: violations)
  func `are refused where they cannot be`(rows: String, script: [UInt8], violation: Violation) {
    expectReadFailure(.structured, script, .violation(violation))
  }

  // Rows: T-023, T-043
  @Test func `are awaited to the end`() {
    let all = Self.data(1024, 512)
    expectReadFailure(.structured, all, .closed)
    let timedOut = StreamError.timedOut(.seconds(1))
    expectReadFailure(
      .structured, all, .receiving(timedOut, awaiting: "a reply"), end: timedOut)
    expectReadFailure(
      .structured, Array(all.dropLast()),
      .receiving(.ended(received: 511), awaiting: "the data of read of 512 bytes at 1024"))
  }

  static let gaps: [([UInt8], UInt64)] = [
    (Wire.chunk(1, 0, last: true), 512), (data(1024, 64, last: true), 448),
    (data(1024, 256) + hole(1281, 255, last: true), 1),
  ]

  // Rows: T-050, T-027, T-061
  @Test(arguments: gaps)
  func `have to cover all that was asked for`(script: [UInt8], missing: UInt64) throws {
    let (transmission, _) = transmit(terms(.structured), script + Wire.chunk(2, 0, last: true))
    let error = #expect(throws: TransmissionError.self) {
      try transmission.perform(Request(.read, offset: 1024, length: 512))
    }
    #expect(error?.reason == .uncovered(missing))
    #expect(try transmission.perform(Request(.flush)) == .done)
  }

  // Rows: T-051
  @Test func `are one piece where one was asked for`() throws {
    #expect(try read(.structured, Self.data(1024, 512, last: true), flags: .df).count == 1)
    expectReadFailure(
      .structured, Self.data(1024, 256) + Self.data(1280, 256, last: true),
      .violation(.fragmented), flags: .df)
  }

  static let errors: [(String, [UInt8], ServerFailure)] = [
    ("T-030", Wire.simple(1, error: 5), ServerFailure(code: 5)),
    (
      "T-055", Wire.chunk(1, 0x8001, Wire.error(28, "no\u{1b}[1m room"), last: true),
      ServerFailure(code: 28, text: "no\\u{1b}[1m room")
    ),
    (
      "T-063", Wire.chunk(1, 0x8001, Wire.error(5, "a") + [9, 9, 9], last: true),
      ServerFailure(code: 5, text: "a")
    ),
    ("T-056", Wire.chunk(1, 0x8001, Wire.error(0), last: true), ServerFailure(code: 0)),
    (
      "T-054", Wire.chunk(1, 0x8063, Wire.error(95, "new"), last: true),
      ServerFailure(code: 95, text: "new")
    ),
    (
      "T-057, T-059",
      data(1024, 256) + Wire.chunk(1, 0x8002, Wire.error(5, "bad", at: 1280))
        + data(1281, 255) + Wire.chunk(1, 0, last: true),
      ServerFailure(code: 5, text: "bad", offset: 1280)
    ),
    (
      "T-058, T-043",
      Wire.chunk(1, 0x8001, Wire.error(28, "first"))
        + Wire.chunk(1, 0x8002, Wire.error(5, "second", at: 1024), last: true),
      ServerFailure(code: 28, text: "first")
    ),
    (
      "T-055",
      Wire.chunk(
        1, 0x8001, Wire.error(5, String(repeating: "x", count: 5000)), last: true),
      ServerFailure(code: 5, text: String(repeating: "x", count: 4096) + "…")
    ),
  ]

  // Rows: T-030, T-034, T-043, T-054, T-055, T-056, T-057, T-058, T-059, T-063
  @Test(arguments: errors)
  func `fail one request and no other`(
    rows: String, script: [UInt8], failure: ServerFailure
  ) throws {
    let (transmission, stream) = transmit(
      terms(.structured), script + Wire.chunk(2, 0, last: true))
    let error = #expect(throws: TransmissionError.self, "\(rows)") {
      try transmission.perform(Request(.read, offset: 1024, length: 512))
    }
    #expect(error?.reason == .failed(failure))
    #expect(try transmission.perform(Request(.flush)) == .done)
    #expect(stream.unread == [])
  }

  // Rows: T-029
  @Test func `can say that the server shuts down`() {
    let (transmission, stream) = transmit(
      terms(.structured), Wire.chunk(1, 0x8001, Wire.error(108), last: true))
    #expect(throws: TransmissionError.self) { try transmission.perform(Request(.flush)) }
    #expect(!transmission.isOpen)
    #expect(stream.sent.count == 56)
  }

  static let writes: [([UInt8], TransmissionError.Reason)] = [
    (Wire.chunk(1, 1, Wire.data(0, [1]), last: true), .violation(.chunkType(1))),
    (Wire.chunk(1, 2, Wire.hole(0, 1), last: true), .violation(.chunkType(2))),
    (Wire.chunk(1, 5, Wire.status(1, [(1, 0)]), last: true), .violation(.chunkType(5))),
    (
      Wire.chunk(1, 0x8002, Wire.error(28, at: 3), last: true),
      .failed(ServerFailure(code: 28, offset: 3))
    ),
    (Wire.chunk(1, 0x8002, Wire.error(28, at: 4), last: true), .violation(.errorOffset(4))),
    (Wire.simple(1, error: 28), .failed(ServerFailure(code: 28))),
  ]

  // Rows: T-026, T-052, T-057
  @Test(arguments: writes)
  func `can fail a write`(script: [UInt8], reason: TransmissionError.Reason) {
    let (transmission, _) = transmit(terms(.structured), script)
    let error = #expect(throws: TransmissionError.self) {
      try transmission.perform(Request(.write, length: 4), payload: [1, 2, 3, 4])
    }
    #expect(error?.reason == reason)
  }

  // Rows: T-052, T-057
  @Test func `have no place in what has none`() {
    let (transmission, _) = transmit(
      terms(.structured), Wire.chunk(1, 0x8002, Wire.error(5, at: 0), last: true))
    let error = #expect(throws: TransmissionError.self) {
      try transmission.perform(Request(.flush))
    }
    #expect(error?.reason == .violation(.chunkType(0x8002)))
  }
}
