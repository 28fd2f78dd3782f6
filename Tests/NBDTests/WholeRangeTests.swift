// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// Reads that go out in pieces.
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

  // Rows: T-004
  @Test func `are refused before a part is done`() {
    let (transmission, stream) = transmit(Self.terms(), [])
    let attempts: [() throws -> Void] = [
      { try transmission.read(offset: 4, length: 1 << 20) { _ in true } },
      { try transmission.read(offset: .max, length: 2) { _ in true } },
    ]
    for attempt in attempts {
      let error = #expect(throws: TransmissionError.self) { try attempt() }
      #expect(error?.reason == .notSent(.outOfRange(exportSize: 1 << 20)))
    }
    #expect(stream.sent == [])
  }

  // Rows: T-012
  @Test func `leave what was in flight before for later`() throws {
    let (transmission, _) = transmit(Self.terms(), Wire.simple(1, [1, 2]) + Wire.simple(2))
    let earlier = try transmission.submit(Request(.read, length: 2))
    _ = try transmission.perform(Request(.flush))
    #expect(transmission.pending == 1)
    #expect(transmission.next()?.cookie == earlier)
  }
}
