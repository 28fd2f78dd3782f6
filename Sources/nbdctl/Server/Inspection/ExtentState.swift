// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD

/// What the flags of an extent mean, which depends on the metadata context.
///
/// The contexts of QEMU are described in its docs/interop/nbd.txt.
enum ExtentState {
  case allocation
  case dirtyBitmap
  case allocationDepth
  case unknown

  init(of context: String) {
    self =
      switch context {
      case MetadataContext.allocation: .allocation
      case "qemu:allocation-depth": .allocationDepth
      case _ where context.hasPrefix("qemu:dirty-bitmap:"): .dirtyBitmap
      default: .unknown
      }
  }

  /// The meaning of the flags; a number if it is not known.
  func text(_ flags: UInt64) -> String {
    switch (self, flags) {
    case (.allocation, _):
      switch flags & 3 {
      case 0: "data"
      case 1: "hole"
      case 2: "zero"
      default: "hole, zero"
      }
    case (.dirtyBitmap, _): flags & 1 == 0 ? "clean" : "dirty"
    case (.allocationDepth, 0): "unallocated"
    case (.allocationDepth, 1): "local"
    case (.allocationDepth, _): "backing, depth \(flags)"
    case (.unknown, _): String(flags)
    }
  }
}
