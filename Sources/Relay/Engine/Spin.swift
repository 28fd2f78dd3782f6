// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// Whether the relay's thread polls for a moment before it sleeps: to be woken takes longer than many servers take to reply.
///
/// It pays while one event follows the other closely. If several times in a row nothing comes in that moment, one wait goes
/// without it, then two, and so on up to 1024; once something comes, no wait does.
struct Spin {
  /// In microseconds.
  static let limit: Int64 = 50
  /// So many times in a row.
  private static let patience = 8

  private let isAllowed: Bool
  private var failures = 0
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
    failures = isSuccess ? 0 : min(failures + 1, Self.patience + 10)
    waitsToSkip = failures < Self.patience ? 0 : 1 << (failures - Self.patience)
  }
}
