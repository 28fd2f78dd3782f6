// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// Requests that go out in pieces.
struct WholeRangeTests {
  static let sizes = BlockSizes(minimum: 2, preferred: 2, maximumPayload: 5)

  private static func terms(_ flags: TransmissionFlags = everything) -> Negotiated {
    NBDTests.terms(flags: flags, blockSizes: sizes)
  }

  /// Command, offset and length of each request that was sent without a payload.
  private func requests(_ stream: ScriptedStream) -> [[UInt64]] {
    stride(from: 0, to: stream.sent.count, by: 28).compactMap { place in
      let bytes = Array(stream.sent[place..<(place + 28)])
      return RequestHeader(compact: bytes.span).map { [UInt64($0.command), $0.offset, $0.length] }
    }
  }

  // Rows: T-005, T-027
  @Test func `read what one cannot`() throws {
    let (transmission, stream) = transmit(
      Self.terms(),
      Wire.simple(1, [1, 2, 3, 4]) + Wire.simple(2, [5, 6, 7, 8]) + Wire.simple(3, [9, 10]))
    var bytes: [UInt8] = []
    try transmission.read(offset: 4, length: 10) { piece in
      if case .data(let data) = piece.content { bytes += data }
      return true
    }
    #expect(bytes == Array(1...10))
    #expect(requests(stream) == [[0, 4, 4], [0, 8, 4], [0, 12, 2]])
  }

  // Rows: T-027
  @Test func `read no more than is wanted, and nothing after a failure`() throws {
    let (transmission, stream) = transmit(
      Self.terms(), Wire.simple(1, [1, 2, 3, 4]) + Wire.simple(2, error: 5))
    try transmission.read(offset: 0, length: 10) { _ in false }
    #expect(requests(stream).count == 1)
    var count = 0
    let error = #expect(throws: TransmissionError.self) {
      try transmission.read(offset: 0, length: 10) { _ in
        count += 1
        return true
      }
    }
    #expect(error?.reason == .failed(ServerFailure(code: 5)))
    #expect(count == 0)
  }

  // Rows: T-005, T-009
  @Test func `write what one cannot`() throws {
    let (transmission, stream) = transmit(Self.terms(), Wire.simple(1) + Wire.simple(2))
    try transmission.write([1, 2, 3, 4, 5, 6], at: 8, flags: .fua)
    #expect(
      stream.sent
        == hex("25609513 0001 0001 0000000000000001 0000000000000008 00000004 01020304")
        + hex("25609513 0001 0001 0000000000000002 000000000000000c 00000002 0506"))
  }

  // Rows: T-004
  @Test func `are refused before a part is done`() {
    let (transmission, stream) = transmit(Self.terms(), [])
    let attempts: [() throws -> Void] = [
      { try transmission.read(offset: 4, length: 1 << 20) { _ in true } },
      { try transmission.read(offset: .max, length: 2) { _ in true } },
      { try transmission.write([1, 2], at: 1 << 20) },
      { try transmission.trim(offset: 2, length: .max) },
      { try transmission.writeZeroes(offset: 2, length: .max) },
      { try transmission.cache(offset: 2, length: 1 << 20) },
    ]
    for attempt in attempts {
      let error = #expect(throws: TransmissionError.self) { try attempt() }
      #expect(error?.reason == .notSent(.outOfRange(exportSize: 1 << 20)))
    }
    #expect(stream.sent == [])
  }

  // Rows: T-005, T-008
  @Test(arguments: [22, 75])
  func `are as large as the server takes`(code: UInt32) throws {
    let (transmission, stream) = transmit(
      Self.terms(), Wire.simple(1, error: code) + Wire.simple(2) + Wire.simple(3))
    try transmission.trim(offset: 0, length: 6)
    #expect(requests(stream) == [[4, 0, 6], [4, 0, 4], [4, 4, 2]])

    let (stubborn, sent) = transmit(
      Self.terms(), Wire.simple(1, error: code) + Wire.simple(2, error: code))
    #expect(throws: TransmissionError.self) { try stubborn.cache(offset: 0, length: 6) }
    #expect(requests(sent) == [[5, 0, 6], [5, 0, 4]])
  }

  // Rows: T-005
  @Test func `are cut where 32 bits end`() throws {
    let size: UInt64 = 1 << 33
    let (transmission, stream) = transmit(
      NBDTests.terms(size: size), (1...4).flatMap { Wire.simple($0) })
    try transmission.writeZeroes(offset: 0, length: size)
    #expect(requests(stream).map { $0[2] } == [1 << 31, 1 << 31, 1 << 31, 1 << 31])
  }

  // Rows: T-008
  @Test func `do without what the server does not offer`() throws {
    let (transmission, stream) = transmit(
      Self.terms([.hasFlags, .sendFUA]), Wire.simple(1) + Wire.simple(2))
    try transmission.trim(offset: 0, length: 6)
    try transmission.cache(offset: 0, length: 6)
    #expect(try transmission.flush() == false)
    #expect(stream.sent == [])
    try transmission.writeZeroes(offset: 0, length: 6, flags: [.fua, .noHole])
    #expect(
      stream.sent
        == hex("25609513 0001 0001 0000000000000001 0000000000000000 00000004 00000000")
        + hex("25609513 0001 0001 0000000000000002 0000000000000004 00000002 0000"))
  }

  // Rows: T-008, T-010
  @Test func `tell whether a flush promises anything`() throws {
    let (transmission, stream) = transmit(Self.terms(), Wire.simple(1))
    #expect(try transmission.flush())
    #expect(requests(stream) == [[3, 0, 0]])
  }

  // Rows: T-012
  @Test func `leave what was in flight before for later`() throws {
    let (transmission, _) = transmit(Self.terms(), Wire.simple(1, [1, 2]) + Wire.simple(2))
    let earlier = try transmission.submit(Request(.read, length: 2))
    #expect(try transmission.flush())
    #expect(transmission.pending == 1)
    #expect(transmission.next()?.cookie == earlier)
  }
}
