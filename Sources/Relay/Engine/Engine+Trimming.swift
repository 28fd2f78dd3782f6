// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// Memory that a burst has taken is given back when it has been idle for some seconds.
extension Engine {
  /// In microseconds.
  private static let trimInterval: Int64 = 5_000_000

  mutating func trim() {
    if trimAt <= now {
      trimAt = .max
      writes.giveBack(writePages.takeIdle())
      reads.giveBack(readPages.takeIdle())
      flushIfIdle()
    }
    if trimAt == .max, writePages.hasMuch || readPages.hasMuch { trimAt = now + Self.trimInterval }
  }

  /// What is kept takes memory until a flush covers it: nobody may ever ask for one.
  private mutating func flushIfIdle() {
    let isIdle = !ledger.isEmpty && ledger.next == ledgerAtTrim
    idleTrims = isIdle ? idleTrims + 1 : 0
    ledgerAtTrim = ledger.next
    guard idleTrims >= 2, writePages.hasMuch, flush == Slot.none else { return }
    (wantsFlush, isStirred) = (true, true)
  }
}
