// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// What goes out, and what must not.
struct RequestTests {
  private func sent(
    _ terms: Negotiated, _ request: Request, _ payload: [UInt8] = []
  ) throws(TransmissionError) -> [UInt8] {
    let (transmission, stream) = transmit(terms, [])
    _ = try transmission.submit(request, payload: payload)
    return stream.sent
  }

  // Rows: T-001, T-009, T-010
  @Test func `has 28 bytes and what a write carries`() throws {
    #expect(
      try sent(terms(), Request(.read, offset: 0x1000, length: 0x200))
        == hex("25609513 0000 0000 0000000000000001 0000000000001000 00000200"))
    #expect(
      try sent(terms(), Request(.write, offset: 3, length: 2, flags: .fua), [7, 8])
        == hex("25609513 0001 0001 0000000000000001 0000000000000003 00000002 0708"))
    #expect(
      try sent(terms(), Request(.flush))
        == hex("25609513 0000 0003 0000000000000001 0000000000000000 00000000"))
    #expect(
      try sent(terms(), Request(.writeZeroes, offset: 1, length: 9, flags: [.noHole, .fastZero]))
        == hex("25609513 0012 0006 0000000000000001 0000000000000001 00000009"))
    let large = [UInt8](repeating: 5, count: 100_000)
    #expect(
      try sent(terms(), Request(.write, offset: 0, length: 100_000), large).suffix(100_000)
        == large[...])
  }

  // Rows: T-001, T-085, T-090, T-091
  @Test func `has 32 bytes where headers are extended`() throws {
    let wide = terms(
      .extended, size: 1 << 40, flags: everything.union(.blockStatusPayload),
      contexts: [allocation, bitmap])
    #expect(
      try sent(wide, Request(.write, offset: 3, length: 2), [7, 8])
        == hex("21e41c71 0020 0001 0000000000000001 0000000000000003 0000000000000002 0708"))
    #expect(
      try sent(wide, Request(.trim, offset: 0, length: 1 << 33))
        == hex("21e41c71 0000 0004 0000000000000001 0000000000000000 0000000200000000"))
    #expect(
      try sent(wide, Request(.blockStatus, offset: 4096, length: 1 << 33, contexts: [9]))
        == hex(
          """
          21e41c71 0020 0007 0000000000000001 0000000000001000 000000000000000c
          0000000200000000 00000009
          """))
    #expect(
      try sent(wide, Request(.blockStatus, offset: 4096, length: 512))
        == hex("21e41c71 0000 0007 0000000000000001 0000000000001000 0000000000000200"))
  }

  // Rows: T-001
  @Test func `is read back from its compact form`() {
    let header = RequestHeader(
      command: 4, flags: .fua, cookie: 0x0102_0304_0506_0708, offset: 1 << 40, length: 0xffff_ffff)
    #expect(RequestHeader(compact: header.bytes(.simple).span) == header)
    #expect(RequestHeader(compact: header.bytes(.extended).span) == nil)
    #expect(RequestHeader(compact: Array(header.bytes(.simple).dropLast()).span) == nil)
    #expect(
      RequestHeader(compact: hex("12560953" + String(repeating: "00", count: 24)).span) == nil)
  }

  // Rows: T-002
  @Test func `gets a cookie that no other in flight has`() throws {
    let (transmission, _) = transmit(terms(), [])
    let cookies = try (0..<16).map { _ in try transmission.submit(Request(.flush)) }
    #expect(Set(cookies).count == 16)
    let stream = ScriptedStream([])
    let starts = try (0..<8).map { _ in
      try Transmission(terms(), over: stream).submit(Request(.flush))
    }
    #expect(Set(starts).count > 1)
    let last = Transmission(terms(), over: stream, firstCookie: .max)
    #expect(try last.submit(Request(.flush)) == .max)
    #expect(try last.submit(Request(.flush)) == 0)
  }

  static let plain = everything
  static let sizes = BlockSizes(minimum: 512, preferred: 4096, maximumPayload: 5000)
  static let strict = terms(.structured, blockSizes: sizes, contexts: [allocation])

  static let flaws: [(String, Negotiated, Request, RequestFlaw?)] = [
    ("T-003", terms(), Request(.read, length: 1, flags: .fua), .flags(.fua)),
    ("T-003", terms(), Request(.read, length: 1, flags: .df), .flags(.df)),
    ("T-003", terms(.structured), Request(.read, length: 1, flags: .df), nil),
    (
      "T-003", terms(.structured, flags: plain.subtracting(.sendDF)),
      Request(.read, length: 1, flags: .df), .flags(.df)
    ),
    (
      "T-003", terms(flags: plain.subtracting(.sendFUA)), Request(.trim, length: 1, flags: .fua),
      .flags(.fua)
    ),
    ("T-003", terms(), Request(.trim, length: 1, flags: [.fua, .noHole]), .flags(.noHole)),
    ("T-003", terms(), Request(.flush, flags: .fua), .flags(.fua)),
    ("T-003", terms(), Request(.writeZeroes, length: 1, flags: [.fua, .noHole, .fastZero]), nil),
    (
      "T-003", terms(flags: plain.subtracting(.sendFastZero)),
      Request(.writeZeroes, length: 1, flags: .fastZero), .flags(.fastZero)
    ),
    ("T-003", strict, Request(.read, length: 512, flags: .reqOne), .flags(.reqOne)),
    ("T-003", strict, Request(.blockStatus, length: 512, flags: .reqOne), nil),
    (
      "T-003", terms(.extended), Request(.read, length: 1, flags: .payloadLength),
      .flags(.payloadLength)
    ),
    ("T-004", terms(), Request(.read, offset: 1 << 20, length: 1), outside(1 << 20)),
    ("T-004", terms(), Request(.read, offset: (1 << 20) - 1, length: 2), outside(1 << 20)),
    ("T-004", terms(), Request(.trim, offset: .max, length: 2), outside(1 << 20)),
    ("T-004", terms(), Request(.trim, offset: 2, length: .max), outside(1 << 20)),
    ("T-004", terms(size: 0), Request(.read, length: 1), outside(0)),
    ("T-004", terms(), Request(.read, offset: (1 << 20) - 1, length: 1), nil),
    ("T-004", strict, Request(.read, offset: 1, length: 512), .misaligned(512)),
    ("T-004", strict, Request(.trim, offset: 512, length: 511), .misaligned(512)),
    ("T-005", strict, Request(.read, length: 5120), .tooLong(4608)),
    ("T-005", strict, Request(.read, length: 4608), nil),
    ("T-005", strict, Request(.trim, length: 1 << 20), nil),
    ("T-005", terms(size: 1 << 40), Request(.read, length: 32 << 20), nil),
    ("T-005", terms(size: 1 << 40), Request(.read, length: (32 << 20) + 1), .tooLong(32 << 20)),
    (
      "T-005", terms(size: 1 << 40), Request(.trim, length: 1 << 32), .tooLong(0xffff_ffff)
    ),
    ("T-090", terms(.extended, size: 1 << 40), Request(.trim, length: 1 << 33), nil),
    (
      "T-090", terms(.extended, size: 1 << 40), Request(.read, length: 1 << 33), .tooLong(32 << 20)
    ),
    ("T-006", terms(), Request(.read), .empty), ("T-006", terms(), Request(.write), .empty),
    ("T-006", terms(), Request(.trim), .empty), ("T-006", terms(), Request(.writeZeroes), .empty),
    ("T-006", strict, Request(.blockStatus), .empty),
    ("T-007", terms(flags: plain.union(.readOnly)), Request(.trim, length: 1), .readOnly),
    ("T-007", terms(flags: plain.union(.readOnly)), Request(.write, length: 1), .readOnly),
    ("T-007", terms(flags: plain.union(.readOnly)), Request(.writeZeroes, length: 1), .readOnly),
    ("T-007", terms(flags: plain.union(.readOnly)), Request(.flush), nil),
    ("T-008", terms(flags: .hasFlags), Request(.flush), .notOffered),
    ("T-008", terms(flags: .hasFlags), Request(.trim, length: 1), .notOffered),
    ("T-008", terms(flags: .hasFlags), Request(.writeZeroes, length: 1), .notOffered),
    // A server that offers fast zeroes and no zeroes (N44).
    (
      "T-008", terms(flags: [.hasFlags, .sendFastZero]),
      Request(.writeZeroes, length: 1, flags: .fastZero), .notOffered
    ),
    ("T-008", terms(flags: .hasFlags), Request(.cache, length: 1), .notOffered),
    ("T-008", terms(flags: .hasFlags), Request(.resize), .notOffered),
    ("T-010", terms(), Request(.disconnect), .notOffered),
    ("T-014, T-079", terms(.structured), Request(.blockStatus, length: 1), .contexts),
    ("T-091", strict, Request(.blockStatus, length: 512, contexts: [1]), .notOffered),
    ("T-091", strict, Request(.read, length: 512, contexts: [1]), .contexts),
    ("T-091", wide, Request(.blockStatus, length: 1, contexts: [1]), nil),
    ("T-091", wide, Request(.blockStatus, length: 1, contexts: [1, 1]), .contexts),
    ("T-091", wide, Request(.blockStatus, length: 1, contexts: [2]), .contexts),
  ]

  private static let wide = terms(
    .extended, flags: plain.union(.blockStatusPayload), contexts: [allocation])

  private static func outside(_ size: UInt64) -> RequestFlaw { .outOfRange(exportSize: size) }

  // Rows: T-003, T-004, T-005, T-006, T-007, T-008, T-010, T-014, T-079, T-090, T-091
  @Test(arguments: flaws)
  func `is sent only if the export allows it`(
    rows: String, terms: Negotiated, request: Request, flaw: RequestFlaw?
  ) throws {
    let payload = request.command == .write ? Int(request.length) : 0
    #expect(request.flaw(under: terms, payloadByteCount: payload) == flaw, "\(rows)")
    guard let flaw else { return }
    let (transmission, stream) = transmit(terms, [])
    let error = #expect(throws: TransmissionError.self) { try transmission.submit(request) }
    #expect(error?.reason == .notSent(flaw))
    #expect(error?.endsConnection == false)
    #expect(error?.isOutcomeUnknown == false)
    #expect(stream.sent == [])
  }

  // Rows: T-007, T-028
  @Test func `has a number for each refusal`() {
    #expect(RequestFlaw.readOnly.number == .notPermitted)
    #expect(RequestFlaw.outOfRange(exportSize: 0).number == .invalid)
    #expect(RequestFlaw.notOffered.number == .notSupported)
    #expect(RequestFlaw.closed.number == .shutdown)
  }

  // Rows: T-001, T-009
  @Test func `carries as much as it says`() {
    let write = Request(.write, offset: 0, length: 2)
    #expect(write.flaw(under: terms(), payloadByteCount: 1) == .payload(1))
    #expect(Request(.flush).flaw(under: terms(), payloadByteCount: 1) == .payload(1))
  }
}
