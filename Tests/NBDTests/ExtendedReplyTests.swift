// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// Replies with extended headers.
struct ExtendedReplyTests {
  static let half = [UInt8](repeating: 7, count: 256)

  // Rows: T-040, T-085, T-086
  @Test func `bring data and holes`() throws {
    let pieces = try read(
      .extended,
      Wire.extended(1, 1, at: 1024, Wire.data(1280, Self.half))
        + Wire.extended(1, 2, at: 1024, Wire.hole(1024, 256))
        + Wire.extended(1, 0, at: 1024, last: true))
    #expect(
      pieces == [
        Piece(offset: 1024, content: .hole(256)), Piece(offset: 1280, content: .data(Self.half)),
      ])
  }

  static let violations: [(String, [UInt8], Violation)] = [
    ("T-085", Wire.simple(1, half + half), .magic(0x6744_6698, .extended)),
    ("T-085", Wire.chunk(1, 0, last: true), .magic(0x668e_33ef, .extended)),
    ("T-086", Wire.extended(1, 1, at: 1280, Wire.data(1280, half)), .otherOffset(1280)),
    ("T-092", Wire.extended(1, 0, at: 0, last: true), .otherOffset(0)),
    ("T-092", Wire.extended(1, 0x8001, at: 0, Wire.error(5), last: true), .otherOffset(0)),
    ("T-087", Wire.extended(1, 1, at: 1024, announcing: 1 << 32), .chunkLength(1, 1 << 32)),
    ("T-087", Wire.extended(1, 0x8001, at: 1024, announcing: .max), .chunkLength(0x8001, .max)),
    ("T-025", Wire.extended(2, 0, at: 1024, last: true), .unknownCookie(2)),
    ("T-052", Wire.extended(1, 6, at: 1024, Wire.wideStatus(1, [(1, 1)])), .chunkType(6)),
  ]

  // Rows: T-020, T-025, T-052, T-085, T-086, T-087, T-092
  @Test(arguments: violations)
  func `are refused where they cannot be`(rows: String, script: [UInt8], violation: Violation) {
    expectReadFailure(.extended, script, .violation(violation))
  }

  // Rows: T-054, T-055, T-092
  @Test func `can fail a request`() {
    expectReadFailure(
      .extended, Wire.extended(1, 0x8002, at: 1024, Wire.error(5, "a", at: 1100), last: true),
      .failed(ServerFailure(code: 5, text: "a", offset: 1100)))
  }

  private func ask(
    _ payload: [UInt8], type: UInt16 = 6, announcing length: UInt64? = nil,
    _ contexts: [UInt32] = []
  ) throws(TransmissionError) -> [BlockStatus] {
    let agreed = terms(
      .extended, size: 1 << 40, flags: everything.union(.blockStatusPayload),
      contexts: [allocation, bitmap])
    let (transmission, _) = transmit(
      agreed,
      Wire.extended(1, type, payload, announcing: length) + Wire.extended(1, 0, last: true))
    let wanted = Request(.blockStatus, length: 1 << 33, contexts: contexts)
    guard case .status(let statuses) = try transmission.perform(wanted) else { return [] }
    return statuses
  }

  // Lengths of 64 bits are cut at the end of the export, and bits without a meaning are not kept.
  // Rows: T-077, T-078, T-088, T-089, T-091
  @Test func `tell about large extents`() throws {
    let statuses = try ask(
      Wire.wideStatus(1, [(1 << 32, 1 << 40 | 1), (.max, 0)]), [1])
    #expect(statuses.map(\.context) == [allocation])
    #expect(
      statuses.first?.extents == [
        Extent(offset: 0, length: 1 << 32, flags: 1),
        Extent(offset: 1 << 32, length: (1 << 40) - (1 << 32), flags: 0),
      ])
    let other = try ask(Wire.wideStatus(9, [(1 << 33, 1 << 40)]), [9])
    #expect(other.first?.extents.map(\.flags) == [1 << 40])
  }

  static let statuses: [(String, [UInt8], UInt16, UInt64?, Violation)] = [
    ("T-088", Wire.wideStatus(1, [(1, 0)], count: 2), 6, nil, .descriptorCount(2, 24)),
    ("T-088", Wire.wideStatus(1, [(1, 0)], count: .max), 6, nil, .descriptorCount(.max, 24)),
    ("T-088", Wire.wideStatus(1, []), 6, nil, .chunkLength(6, 8)),
    ("T-088", Wire.status(1, [(1, 0)]), 5, nil, .chunkType(5)),
    ("T-081", [], 6, 8 + 16 * (1 << 20) + 16, .chunkLength(6, 8 + 16 * (1 << 20) + 16)),
    ("T-073", Wire.wideStatus(1, [(0, 0)]), 6, nil, .emptyExtent),
    ("T-091", Wire.wideStatus(9, [(1, 0)]), 6, nil, .unknownContext(9)),
  ]

  // Rows: T-060, T-071, T-073, T-081, T-088, T-091
  @Test(arguments: statuses)
  func `tell about extents in their form only`(
    rows: String, payload: [UInt8], type: UInt16, length: UInt64?, violation: Violation
  ) {
    let error = #expect(throws: TransmissionError.self, "\(rows)") {
      try ask(payload, type: type, announcing: length, [1])
    }
    #expect(error?.reason == .violation(violation))
  }
}
