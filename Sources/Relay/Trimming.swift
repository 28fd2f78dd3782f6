// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Kernel

/// Memory that a burst has taken is given back when it has been idle for some seconds.
extension Engine {
  /// In microseconds.
  private static let trimInterval: Int64 = 5_000_000

  mutating func trim() {
    guard trimAt <= now else {
      let isDue = trimAt == .max && (writePages.hasMuch || readPages.hasMuch)
      if isDue { trimAt = now + Self.trimInterval }
      return
    }
    trimAt = .max
    writes.giveBack(writePages.takeIdle())
    reads.giveBack(readPages.takeIdle())
  }
}
