// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The end of a request, which every request has exactly once.
package struct Completion: Sendable {
  /// What `submit` returned for it.
  package var cookie: Cookie
  /// What was asked for.
  package var request: Request
  /// What came of it.
  package var result: Result<Outcome, TransmissionError>

  /// What a request that did not fail has brought.
  package enum Outcome: Sendable, Equatable {
    /// It is done.
    case done
    /// All that a read asked for, in order and without a gap (T-027).
    case data([Piece])
    /// What each context says about the range, or a part of it from its beginning on.
    case status([BlockStatus])
  }
}

/// A part of what was read.
package struct Piece: Sendable, Equatable {
  /// Where in the export.
  package var offset: UInt64
  /// What is there.
  package var content: Content

  package init(offset: UInt64, content: Content) {
    self.offset = offset
    self.content = content
  }

  /// Bytes, or the word that they are all zero.
  package enum Content: Sendable, Equatable {
    case data([UInt8])
    case hole(UInt64)
  }

  /// How many bytes it stands for.
  package var length: UInt64 {
    switch content {
    case .data(let bytes): UInt64(bytes.count)
    case .hole(let count): count
    }
  }
}
