// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Whether the kernel is to be told of a larger size now: once at a time, and again after a failure.
nonisolated struct Growth: Sendable {
  private var isUnderWay = false
  private var failures = 0

  /// How many blocks the kernel is to be told of; nil if nothing is to be done.
  mutating func begin(from count: UInt64, to other: UInt64) -> UInt64? {
    guard !isUnderWay, other > count else { return nil }
    isUnderWay = true
    return other
  }

  mutating func succeeded() {
    (isUnderWay, failures) = (false, 0)
  }

  /// Answers after how long the next attempt should be: 1 s, twice as long each time, at most 5 min.
  mutating func failed() -> Duration {
    isUnderWay = false
    failures += 1
    return min(.seconds(300), .seconds(1 << min(failures - 1, 9)))
  }
}
