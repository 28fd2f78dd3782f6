// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Strings and member names.
extension JSONReader {
  /// Reads a string; the quote at this position begins and ends it.
  mutating func string() throws(JSONError) -> String {
    var scalars = String.UnicodeScalarView()
    guard let quote = cursor.next else { throw expected("a string") }
    cursor.advance()
    while !cursor.skip(quote) {
      guard let scalar = cursor.next, !scalar.isLineBreak else {
        throw expected("\(quote) to end the string")
      }
      guard allowsJSON5 || scalar.value >= 0x20 else {
        throw failure("a control character in a string must be escaped; found \(cursor.found)")
      }
      if scalar != "\\" {
        scalars.append(scalar)
        cursor.advance()
      } else if let escaped = try escape() {
        scalars.append(escaped)
      }
    }
    return String(scalars)
  }

  /// Reads the name of a member.
  mutating func name() throws(JSONError) -> String {
    switch cursor.next {
    case "\""?: return try string()
    case "'"? where allowsJSON5: return try string()
    case _ where allowsJSON5: return try bareName()
    default: throw expected("a name in double quotes")
    }
  }

  private mutating func bareName() throws(JSONError) -> String {
    var scalars = String.UnicodeScalarView()
    while let scalar = cursor.next {
      let place = cursor.place
      if scalar == "\\" {
        cursor.advance()
        guard cursor.skip("u") else { throw expected("'u' to escape a character of a name") }
        let escaped = try codePoint(from: place)
        guard mayStandInName(escaped, first: scalars.isEmpty) else {
          throw failure("this character must not stand in a name without quotes", at: place)
        }
        scalars.append(escaped)
      } else if mayStandInName(scalar, first: scalars.isEmpty) {
        scalars.append(scalar)
        cursor.advance()
      } else {
        break
      }
    }
    guard !scalars.isEmpty else { throw expected("a name") }
    return String(scalars)
  }

  private func mayStandInName(_ scalar: Unicode.Scalar, first: Bool) -> Bool {
    switch scalar {
    case "$", "_": true
    case "\u{200C}", "\u{200D}": !first
    default: first ? scalar.properties.isIDStart : scalar.properties.isIDContinue
    }
  }

  /// Reads an escape from its backslash on; returns nil for a line continuation.
  private mutating func escape() throws(JSONError) -> Unicode.Scalar? {
    let place = cursor.place
    cursor.advance()
    guard let scalar = cursor.next else { throw expected("a character to escape") }
    switch scalar {
    case "\"", "\\", "/": cursor.advance()
    case "b", "f", "n", "r", "t":
      cursor.advance()
      return Self.controls[scalar]
    case "u":
      cursor.advance()
      return try codePoint(from: place)
    default:
      guard allowsJSON5 else {
        throw expected("one of \" \\ / b f n r t u after the backslash")
      }
      return try escapeOfJSON5()
    }
    return scalar
  }

  private mutating func escapeOfJSON5() throws(JSONError) -> Unicode.Scalar? {
    guard let scalar = cursor.next else { return nil }
    if ("1"..."9").contains(scalar) { throw expected("a character to escape") }
    cursor.advance()
    switch scalar {
    case "v": return "\u{B}"
    case "x": return Unicode.Scalar(try hexadecimal(digits: 2))
    case "0":
      if let next = cursor.next, next.isASCIIDigit { throw expected("no digit after \\0") }
      return "\0"
    case "\r":
      _ = cursor.skip("\n")
      return nil
    default: return endsJSON5Line(scalar) ? nil : scalar
    }
  }

  /// Reads the digits of `\u`, and the whole second escape if the first is half of a surrogate pair.
  private mutating func codePoint(from place: JSON.Place) throws(JSONError) -> Unicode.Scalar {
    let unit = try hexadecimal(digits: 4)
    if let scalar = Unicode.Scalar(unit) { return scalar }
    guard unit < 0xDC00, cursor.skip("\\"), cursor.skip("u") else { throw loneSurrogate(place) }
    let second = try hexadecimal(digits: 4)
    guard
      (0xDC00...0xDFFF).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (second - 0xDC00))
    else { throw loneSurrogate(place) }
    return scalar
  }

  private func loneSurrogate(_ place: JSON.Place) -> JSONError {
    failure("half of a surrogate pair stands here alone", at: place)
  }

  private mutating func hexadecimal(digits count: Int) throws(JSONError) -> UInt32 {
    var number: UInt32 = 0
    for _ in 0..<count {
      guard let digit = cursor.next.flatMap({ Character($0).hexDigitValue }),
        cursor.next?.isASCII == true
      else {
        throw expected("a hexadecimal digit")
      }
      number = number << 4 | UInt32(digit)
      cursor.advance()
    }
    return number
  }

  private static let controls: [Unicode.Scalar: Unicode.Scalar] = [
    "b": "\u{8}", "f": "\u{C}", "n": "\n", "r": "\r", "t": "\t",
  ]
}
