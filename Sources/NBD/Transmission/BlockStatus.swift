// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A part of an export with one status in a metadata context.
package struct Extent: Sendable, Equatable {
  /// Where it begins.
  package var offset: UInt64
  /// Its length in bytes; never 0.
  package var length: UInt64
  /// Its status flags in the context.
  package var flags: UInt64

  package init(offset: UInt64, length: UInt64, flags: UInt64) {
    self.offset = offset
    self.length = length
    self.flags = flags
  }

  /// Where the next one begins.
  package var end: UInt64 { offset + length }

  /// Whether no space is allocated for it, in the context `base:allocation`.
  package var isHole: Bool { flags & 1 != 0 }
  /// Whether it reads as zeroes, in the context `base:allocation`.
  package var isZero: Bool { flags & 2 != 0 }
}

/// The status in one metadata context, from the offset of the request.
///
/// It may end before the request does, or its last extent may extend beyond it (T-077).
package struct BlockStatus: Sendable, Equatable {
  /// The context.
  package var context: MetadataContext
  /// Contiguous extents; neighbours differ in their flags.
  package private(set) var extents: [Extent] = []

  /// The most extents kept from one reply; the rest can be requested again.
  static let mostExtents = 65536

  private let request: Request
  private let exportSize: UInt64

  init(_ context: MetadataContext, answering request: Request, of export: Export) {
    self.context = context
    self.request = request
    exportSize = export.sizeBytes
  }

  /// Where the known status ends.
  package var end: UInt64 { extents.last?.end ?? request.offset }

  private var isFull = false

  /// Appends the next descriptor: ignores one that begins past the request (T-074, T-075), cuts one that
  /// extends past the end of the export (T-077, T-089), and clears undefined bits (T-078).
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
