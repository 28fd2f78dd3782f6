// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// How much to request at once while several requests are in flight: more as long as replies come
/// soon, and less where they take a large part of the time after which a server counts as
/// unreachable.
///
/// So a server that does little in a second is not taken for one that does nothing.
struct RequestSize {
  private static let least: UInt64 = 8 << 10

  private(set) var bytes: UInt64
  private let range: ClosedRange<UInt64>
  private let block: UInt64
  private let depth: Int
  private let time: Duration
  /// How many replies have come since the size was changed.
  private var replies = 0

  /// Starts for blocks of this size; `most` is the most that the server sends at once.
  init(block: UInt64, most: UInt64, depth: Int, time: Duration) {
    let least = max(block, min(Self.least, most))
    range = least...max(least, most)
    bytes = min(max(32 << 10, least), range.upperBound)
    self.block = block
    self.depth = depth
    self.time = time
  }

  /// Takes into account how long a reply took.
  ///
  /// The effect of a change shows only after a reply to each request that was in flight.
  mutating func adapt(to elapsed: Duration) {
    replies += 1
    guard replies >= depth else { return }
    let changed =
      if elapsed < time / 16 { min(bytes * 2, range.upperBound) } else if elapsed > time / 4 {
        max(bytes / 2 / block * block, range.lowerBound)
      } else { bytes }
    if changed != bytes { (bytes, replies) = (changed, 0) }
  }
}
