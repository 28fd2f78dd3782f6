// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// A progress bar on standard error during a long operation, if that is a terminal.
struct Progress {
  private static let cells = 30

  private let isShown = Terminal.hasProgress

  func show(_ done: Duration, of all: Duration, _ what: String) {
    if isShown { StandardStream.error.print("\r\(Self.line(done, of: all, what))\u{1B}[K") }
  }

  /// Clears the line.
  func remove() {
    if isShown { StandardStream.error.print("\r\u{1B}[K") }
  }

  /// The bar, what is being done, and the seconds that are left.
  static func line(_ done: Duration, of all: Duration, _ what: String) -> String {
    let share = min(1, max(0, done / all))
    let full = Int(share * Double(cells))
    let left = max(0, Int(((all - done) / .seconds(1)).rounded(.up)))
    return "[" + String(repeating: "█", count: full) + String(repeating: "·", count: cells - full)
      + "] \(what), \(left) s left"
  }
}
