// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// What a server offers under a name.
package struct Export: Sendable, Equatable {
  /// The requested name; the empty name is the server's default export.
  package var name: String
  /// The usable size: whole minimum blocks (N-092), at most 2^63-1 bytes (N-090).
  package var sizeBytes: UInt64
  /// How many unusable bytes follow, less than a minimum block.
  package var unreachableBytes: UInt64 = 0
  /// What the export allows; unknown bits are kept.
  package var flags: TransmissionFlags
  /// The block sizes that the server requires, or nil if it stated none (N-098).
  package var blockSizes: BlockSizes?
  /// The server's own name for the export, safe to display; never used in requests (N-087).
  package var canonicalName: String?
  /// The server's description of the export, safe to display (N-088).
  package var description: String?

  package init(
    name: String, sizeBytes: UInt64, flags: TransmissionFlags, blockSizes: BlockSizes? = nil,
    canonicalName: String? = nil, description: String? = nil
  ) {
    self.name = name
    self.sizeBytes = sizeBytes
    self.flags = flags
    self.blockSizes = blockSizes
    self.canonicalName = canonicalName
    self.description = description
  }

  /// The largest size at which every byte has a signed 64-bit offset (N-090).
  static let largestSize = UInt64(Int64.max)
}

/// The sizes, in bytes, that requests for an export have to fit (proto.md, *Size constraints*).
package struct BlockSizes: Sendable, Equatable {
  /// Every offset and length is a multiple of this; a power of two, at most 65536.
  package var minimum: UInt32
  /// The size below which requests become slow; a power of two.
  package var preferred: UInt32
  /// The most bytes that one request or reply carries; any number from `preferred` on.
  package var maximumPayload: UInt32

  package init(minimum: UInt32, preferred: UInt32, maximumPayload: UInt32) {
    self.minimum = minimum
    self.preferred = preferred
    self.maximumPayload = maximumPayload
  }

  /// The first of the three sizes that violates the protocol (N-081 to N-083, N-089).
  var flaw: BlockSizeFlaw? {
    guard minimum.nonzeroBitCount == 1, minimum <= 65536 else { return .minimum(minimum) }
    guard preferred.nonzeroBitCount == 1, preferred >= minimum else { return .preferred(preferred) }
    guard maximumPayload >= preferred else { return .maximumPayload(maximumPayload) }
    return nil
  }
}

/// A block size that no client can comply with, and its value.
package enum BlockSizeFlaw: Sendable, Equatable, CustomStringConvertible {
  /// Not a power of two, or above 65536.
  case minimum(UInt32)
  /// Not a power of two, or below the minimum.
  case preferred(UInt32)
  /// Below the preferred size.
  case maximumPayload(UInt32)

  /// What is wrong with it.
  package var description: String {
    switch self {
    case .minimum(let size):
      "the minimum block size \(size) is not a power of two of at most 65536"
    case .preferred(let size):
      "the preferred block size \(size) is not a power of two, or is below the minimum"
    case .maximumPayload(let size):
      "the maximum payload \(size) is below the preferred block size"
    }
  }
}
