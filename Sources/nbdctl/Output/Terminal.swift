// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux

/// What standard output and standard error can show.
enum Terminal {
  static var isTerminal: Bool { isatty(1) == 1 }

  /// How many characters a line of standard output has room for; nil if it is not a terminal.
  static var width: Int? {
    guard isTerminal else { return nil }
    var size = winsize()
    let isKnown = unsafe ioctl(1, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return isKnown ? Int(size.ws_col) : .max
  }

  /// Whether a line on standard error is visible, and can be overwritten.
  static var hasProgress: Bool { isatty(2) == 1 && Environment["TERM"] != "dumb" }

  /// Whether colour is visible and wanted (https://no-color.org/).
  static var hasColor: Bool {
    isTerminal && Environment["NO_COLOR"].map(\.isEmpty) != false
      && Environment["TERM"] != "dumb"
  }

  /// Prints a message on standard error, in one line whatever it contains.
  static func note(_ text: String) {
    StandardStream.error.print("nbdctl: \(shown(text))\n")
  }

  /// Prints a line of output, in one line whatever it contains.
  static func line(_ text: String) throws(Failure) {
    try put("\(shown(text))\n")
  }

  /// Text in the colour of a state: green is well, red is not, yellow is on the way.
  static func colored(_ text: String, _ state: String) -> String {
    let color =
      switch state {
      case "attached": 32
      case "failed": 31
      case "detached": 90
      default: 33
      }
    return "\u{1B}[\(color)m\(text)\u{1B}[0m"
  }
}
