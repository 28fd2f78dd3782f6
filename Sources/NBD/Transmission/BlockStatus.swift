// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A part of an export that is all the same to a metadata context.
package struct Extent: Sendable, Equatable {
  /// Where it begins.
  package var offset: UInt64
  /// How many bytes it has; never 0.
  package var length: UInt64
  /// What the context says about it.
  package var flags: UInt64

  package init(offset: UInt64, length: UInt64, flags: UInt64) {
    self.offset = offset
    self.length = length
    self.flags = flags
  }

  /// Where the next one begins.
  package var end: UInt64 { offset + length }

  /// Whether no space is allocated for it, to the context `base:allocation`.
  package var isHole: Bool { flags & 1 != 0 }
  /// Whether it reads as zeroes, to the context `base:allocation`.
  package var isZero: Bool { flags & 2 != 0 }
}

/// What a metadata context says, from the offset of the request on.
///
/// It may stop short of the request's end, or the last extent may go beyond it (T-077).
package struct BlockStatus: Sendable, Equatable {
  /// The context.
  package var context: MetadataContext
  /// Extents without a gap; neighbours differ in their flags.
  package private(set) var extents: [Extent] = []

  /// The most extents that are kept of one reply; the rest can be asked for again.
  static let mostExtents = 65536

  private let request: Request
  private let exportSize: UInt64

  init(_ context: MetadataContext, answering request: Request, of export: Export) {
    self.context = context
    self.request = request
    exportSize = export.sizeBytes
  }

  /// Where the knowledge ends.
  package var end: UInt64 { extents.last?.end ?? request.offset }

  private var isFull = false

  /// Takes the next descriptor; what begins past the request is ignored (T-074, T-075), what goes past
  /// the end of the export is cut (T-077, T-089), and so are bits without a meaning (T-078).
  mutating func append(_ length: UInt64, _ flags: UInt64) {
    let begin = end
    let limit = request.flags.contains(.reqOne) ? request.end : exportSize
    guard !isFull, begin < request.end else { return }
    let known = context.name == MetadataContext.allocation ? flags & 3 : flags
    let extent = Extent(offset: begin, length: min(length, limit - begin), flags: known)
    if let last = extents.last, last.flags == extent.flags {
      extents[extents.count - 1].length += extent.length
    } else if extents.count < BlockStatus.mostExtents {
      extents.append(extent)
    } else {
      isFull = true
    }
  }
}
