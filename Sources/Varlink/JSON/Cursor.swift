// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// A reading position in a text: the scalar there, its line and its column.
///
/// Bytes that are not UTF-8 end the text like its actual end; only `isAtEnd` distinguishes the two, so a
/// reader needs no separate case for them.
struct Cursor {
  /// The scalar at this position; nil at the end of the text or before bytes that are not UTF-8.
  private(set) var next: Unicode.Scalar?

  private(set) var place = JSON.Place(line: 1, column: 1)

  private var isBroken = false
  private var bytes: [UInt8].Iterator
  private var decoder = Unicode.UTF8()

  init(_ bytes: [UInt8]) {
    self.bytes = bytes.makeIterator()
    decode()
  }

  var isAtEnd: Bool { next == nil && !isBroken }

  /// A description of what is here, for messages.
  var found: String {
    guard let next else { return isBroken ? "bytes that are not UTF-8" : "the end of the text" }
    return switch next {
    case "\n", "\r": "a line break"
    case "\t": "a tab"
    case "'": "\"'\""
    case "\u{FEFF}": "a byte order mark"
    default: String(next).quoted
    }
  }

  /// Advances to the next scalar.
  ///
  /// LF, CR and CRLF each end one line; a byte order mark takes no column.
  mutating func advance() {
    guard let passed = next else { return }
    decode()
    if passed == "\n" || (passed == "\r" && next != "\n") {
      place.line += 1
      place.column = 1
    } else if passed != "\u{FEFF}" {
      place.column += 1
    }
  }

  /// Skips the scalar if it is here, and returns whether it did.
  mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
    guard next == scalar else { return false }
    advance()
    return true
  }

  /// Consumes and returns all scalars that satisfy the condition.
  mutating func take(while condition: (Unicode.Scalar) -> Bool) -> String {
    var taken = String.UnicodeScalarView()
    while let scalar = next, condition(scalar) {
      taken.append(scalar)
      advance()
    }
    return String(taken)
  }

  private mutating func decode() {
    switch decoder.decode(&bytes) {
    case .scalarValue(let scalar):
      next = scalar
    case .emptyInput:
      next = nil
    case .error:
      next = nil
      isBroken = true
    }
  }
}

extension Unicode.Scalar {
  var isASCIILetter: Bool { ("a"..."z").contains(self) || ("A"..."Z").contains(self) }
  var isASCIIDigit: Bool { ("0"..."9").contains(self) }
  var isLineBreak: Bool { self == "\n" || self == "\r" }
}

extension String {
  /// The text in single quotes for messages: shortened and printable.
  var quoted: String {
    "'\(shown(shortened))'"
  }

  /// The text, truncated after 64 scalars.
  var shortened: String {
    let scalars = unicodeScalars.prefix(64)
    return scalars.endIndex == unicodeScalars.endIndex ? self : String(scalars) + "…"
  }
}
