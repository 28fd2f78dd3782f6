// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The payload of a chunk that reports why a request failed (proto.md, *Structured reply types*; T-055
/// to T-057).
package struct ErrorChunk: Sendable, Equatable {
  /// The server's number for the error.
  package let code: UInt32
  /// Where in the payload the server's text is.
  package let text: Range<Int>
  /// Where in the export it failed, if the type of the chunk includes that.
  package let offset: UInt64?

  private static let headerByteCount = 6

  /// Reads a payload whose length has been checked for its type; throws if its text exceeds it.
  ///
  /// Bytes between the text and the end of the payload are ignored: an offset directly follows the text.
  package init(_ payload: Span<UInt8>, hasOffset: Bool) throws(TransmissionError.Reason) {
    code = payload.number(at: 0)
    let textByteCount: UInt16 = payload.number(at: 4)
    let room = payload.count - Self.headerByteCount - (hasOffset ? 8 : 0)
    guard textByteCount <= room else {
      throw .violation(.errorText(textByteCount, chunk: UInt64(payload.count)))
    }
    text = Self.headerByteCount..<(Self.headerByteCount + Int(textByteCount))
    // In a well-formed error the offset directly follows the text.
    offset = hasOffset ? payload.number(at: text.upperBound) : nil
  }
}
