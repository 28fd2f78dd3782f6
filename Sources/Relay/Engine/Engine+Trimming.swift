// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// When memory is returned to the system; times in microseconds of the monotonic clock.
struct Trimming {
  var at = Int64.max
  /// The end of the ledger when memory was last returned, and how often it has been the same.
  var ledgerEnd: UInt64 = 0
  var idleCount = 0
}

/// Returns memory that a burst has used once it has been idle for some seconds.
extension Engine {
  /// In microseconds.
  private static let trimInterval: Int64 = 5_000_000
  private static let shortageInterval: Int64 = 200_000

  mutating func trim() {
    if trimming.at <= now {
      trimming.at = .max
      writes.giveBackIdle()
      reads.giveBackIdle()
      flushIfIdle()
      // The system may have memory for what is held by now.
      announceRoom()
    }
    guard trimming.at == .max else { return }
    if writes.isShort || reads.isShort {
      trimming.at = now + Self.shortageInterval
    } else if writes.pages.hasMuch || reads.pages.hasMuch {
      trimming.at = now + Self.trimInterval
    }
  }

  /// Kept writes occupy memory until a flush covers them, and the kernel may never send one.
  private mutating func flushIfIdle() {
    let isIdle = !ledger.isEmpty && ledger.next == trimming.ledgerEnd
    trimming.idleCount = isIdle ? trimming.idleCount + 1 : 0
    trimming.ledgerEnd = ledger.next
    guard trimming.idleCount >= 2, writes.pages.hasMuch, flushing.slot == nil else { return }
    (flushing.isWanted, isStirred) = (true, true)
  }
}
