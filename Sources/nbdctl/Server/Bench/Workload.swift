// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import NBD

/// What a server is measured with: the size of each request, and how many are in flight.
struct Workload: Sendable, Equatable {
  var blockBytes: UInt64
  var depth: Int

  /// What says most about a server: how long one small request takes, how many of them it can do,
  /// and how much data it can move.
  static let usual = [
    Workload(blockBytes: 4096, depth: 1), Workload(blockBytes: 4096, depth: 16),
    Workload(blockBytes: 65536, depth: 16), Workload(blockBytes: 1 << 20, depth: 4),
  ]

  /// The most requests in flight.
  static let deepest = 256

  /// Combines each size with each depth, given as comma-separated words; sizes alone are combined
  /// with 1 and 16 in flight, depths alone with 4 KiB.
  static func list(_ blockSizes: [String], _ depths: [String]) throws(Failure) -> [Workload] {
    let parts = { (words: [String]) in
      words.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
    }
    let sizes = try parts(blockSizes.isEmpty ? ["4KiB"] : blockSizes)
      .map { text throws(Failure) in
        guard let size = ByteCount(argument: text)?.bytes, size > 0 else {
          throw Failure("--block-size is a size as 4096, 64KiB or 1MiB", EX_USAGE)
        }
        return size
      }
    let depths = try parts(depths.isEmpty ? ["1", "16"] : depths)
      .map { text throws(Failure) in
        guard let depth = Int(text), 1...deepest ~= depth else {
          throw Failure("--depth is a number from 1 to \(deepest)", EX_USAGE)
        }
        return depth
      }
    return sizes.flatMap { size in depths.map { Workload(blockBytes: size, depth: $0) } }
  }

  /// Returns why an export cannot be measured with it; nil if it can.
  func flaw(for export: Export, writes: Bool) -> String? {
    let minimum = UInt64(export.blockSizes?.minimum ?? 1)
    if blockBytes > export.sizeBytes {
      return "the export has \(export.sizeBytes) bytes, less than a block of \(blockBytes)"
    }
    if blockBytes % minimum != 0 {
      return "the server takes multiples of \(minimum) bytes, not blocks of \(blockBytes)"
    }
    if blockBytes > export.largestPayload {
      return "the server takes at most \(export.largestPayload) bytes, not blocks of \(blockBytes)"
    }
    // Two writes in flight must not overlap.
    if writes, export.sizeBytes / blockBytes < UInt64(depth) {
      return "the export has no room for \(depth) writes of \(blockBytes) bytes side by side"
    }
    return nil
  }
}
