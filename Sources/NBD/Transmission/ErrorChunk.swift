// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The payload of a chunk that says why a request failed (proto.md, *Structured reply types*; T-055 to
/// T-057).
package struct ErrorChunk: Sendable, Equatable {
  /// The server's number for the error.
  package let code: UInt32
  /// Where in the payload the server's own words are.
  package let text: Range<Int>
  /// Where in the export it failed, if the chunk is of the type that says so.
  package let offset: UInt64?

  private static let headerByteCount = 6

  /// Reads a payload, whose length has been checked for its type; throws if its text does not fit in it.
  ///
  /// What lies between the text and the end of the payload is ignored: an offset ends where it should.
  package init(_ payload: Span<UInt8>, hasOffset: Bool) throws(TransmissionError.Reason) {
    code = payload.number(at: 0)
    let textByteCount: UInt16 = payload.number(at: 4)
    let room = payload.count - Self.headerByteCount - (hasOffset ? 8 : 0)
    guard textByteCount <= room else {
      throw .violation(.errorText(textByteCount, chunk: UInt64(payload.count)))
    }
    text = Self.headerByteCount..<(Self.headerByteCount + Int(textByteCount))
    // A well-formed error ends in its offset, where its text ends.
    offset = hasOffset ? payload.number(at: text.upperBound) : nil
  }
}
