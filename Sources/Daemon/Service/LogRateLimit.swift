// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Admits a limited number of lines per minute, and counts the rest: a server that comes and goes
/// all day must not fill the log.
nonisolated struct LogRateLimit: Sendable {
  static let linesPerMinute = 20

  private var begin: ContinuousClock.Instant?
  private var count = 0
  private var leftOut = 0

  /// Returns what to append to the line, usually nothing; nil if the line is to be left out.
  mutating func admit(at now: ContinuousClock.Instant) -> String? {
    if begin.map({ $0.duration(to: now) >= .seconds(60) }) ?? true {
      begin = now
      count = 0
    }
    guard count < Self.linesPerMinute else {
      leftOut += 1
      return nil
    }
    count += 1
    defer { leftOut = 0 }
    return leftOut == 0 ? "" : " (\(leftOut) lines were left out before)"
  }
}
