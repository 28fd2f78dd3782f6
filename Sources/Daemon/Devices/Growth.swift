// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// When to tell the kernel about a larger size: one attempt at a time, repeated after a failure.
nonisolated struct Growth: Sendable {
  private var isUnderWay = false
  private var failures = 0

  /// The number of blocks to tell the kernel; nil if there is nothing to do.
  mutating func begin(from count: UInt64, to other: UInt64) -> UInt64? {
    guard !isUnderWay, other > count else { return nil }
    isUnderWay = true
    return other
  }

  mutating func succeeded() {
    (isUnderWay, failures) = (false, 0)
  }

  /// Returns the pause before the next attempt: 1 s, doubled each time, at most 5 min.
  mutating func failed() -> Duration {
    isUnderWay = false
    failures += 1
    return min(.seconds(300), .seconds(1 << min(failures - 1, 9)))
  }
}
