// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The payload of a chunk that reports a part of a read as zeroes (proto.md, *Structured reply types*).
package struct HoleChunk: Sendable, Equatable {
  package static let byteCount = 12

  package let offset: UInt64
  package let length: UInt64

  /// Reads a payload of `byteCount` bytes.
  package init(_ payload: Span<UInt8>) {
    offset = payload.number(at: 0)
    let length: UInt32 = payload.number(at: 8)
    self.length = UInt64(length)
  }
}
