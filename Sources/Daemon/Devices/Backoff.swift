// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// Pauses between attempts: none before the first retry, then 100 ms doubling up to a limit.
///
/// Each is shortened by up to a random quarter, so that devices that lost the same server do not all
/// return to it at once.
nonisolated struct Backoff: Sendable {
  private var failures = 0

  /// Returns the pause before the next attempt.
  ///
  /// `random` is from 0 up to 1.
  mutating func next(limit: Duration, random: Double) -> Duration {
    defer { failures += 1 }
    guard failures > 0 else { return .zero }
    // Beyond 2^20 times 100 ms every limit has been reached.
    let full = min(limit, .milliseconds(100) * (1 << min(failures - 1, 20)))
    return full * (1 - random / 4)
  }

  /// Returns the pause after a persistent error.
  mutating func slowest(limit: Duration, random: Double) -> Duration {
    failures += 1
    return limit * (1 - random / 4)
  }

  mutating func reset() {
    failures = 0
  }
}
