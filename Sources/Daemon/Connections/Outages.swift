// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Counts how often, and for how long, no connection carried requests.
nonisolated struct Outages: Sendable {
  private(set) var count = 0
  private(set) var total = Duration.zero
  private(set) var longest = Duration.zero
  /// The start of the current outage.
  private(set) var since: ContinuousClock.Instant?

  /// Begins an outage; returns false if one is under way already.
  mutating func begin(at now: ContinuousClock.Instant) -> Bool {
    guard since == nil else { return false }
    since = now
    count += 1
    return true
  }

  /// Ends the outage and returns its duration; nil if there was none.
  mutating func end(at now: ContinuousClock.Instant) -> Duration? {
    guard let begin = since else { return nil }
    since = nil
    let length = begin.duration(to: now)
    total += length
    longest = max(longest, length)
    return length
  }
}
