// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// Whether the relay's thread polls for a moment before it sleeps: to be woken takes longer than many servers take to reply.
///
/// It pays while one event follows the other closely. So each time that nothing came in that moment, twice as many waits as
/// before go without it; once something comes, the next wait has it again.
struct Spin {
  /// In microseconds.
  static let limit: Int64 = 50
  private static let longestPause = 1024

  private let isAllowed: Bool
  private var pause = 0
  private var waitsToSkip = 0

  /// With one processor it would only keep the others from running.
  init(isAllowed: Bool, processorCount: Int) {
    self.isAllowed = isAllowed && processorCount > 1
  }

  /// Whether to poll now; asked once for each wait.
  mutating func isDue() -> Bool {
    guard isAllowed else { return false }
    if waitsToSkip == 0 { return true }
    waitsToSkip -= 1
    return false
  }

  /// What came of it.
  mutating func ended(withSuccess isSuccess: Bool) {
    pause = isSuccess ? 0 : min(max(1, pause * 2), Self.longestPause)
    waitsToSkip = pause
  }
}
