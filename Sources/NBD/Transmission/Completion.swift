// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The completion of a request; every request completes exactly once.
package struct Completion: Sendable {
  /// What `submit` returned for it.
  package var cookie: Cookie
  /// The request.
  package var request: Request
  /// Its result.
  package var result: Result<Outcome, TransmissionError>

  /// The result of a request that succeeded.
  package enum Outcome: Sendable, Equatable {
    /// It has been executed.
    case done
    /// All that a read requested, in order and without a gap (T-027).
    case data([Piece])
    /// The status of the range, or of a first part of it, in each context.
    case status([BlockStatus])
  }
}

/// A part of the data that was read.
package struct Piece: Sendable, Equatable {
  /// Where in the export.
  package var offset: UInt64
  /// What is there.
  package var content: Content

  package init(offset: UInt64, content: Content) {
    self.offset = offset
    self.content = content
  }

  /// Bytes, or the statement that all are zero.
  package enum Content: Sendable, Equatable {
    case data([UInt8])
    case hole(UInt64)
  }

  /// How many bytes it represents.
  package var length: UInt64 {
    switch content {
    case .data(let bytes): UInt64(bytes.count)
    case .hole(let count): count
    }
  }
}
