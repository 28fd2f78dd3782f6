// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Numbers.
extension JSONReader {
  /// Reads a number: an integer if it has neither a fraction nor an exponent.
  mutating func number() throws(JSONError) -> JSON.Content {
    let place = cursor.place
    let isNegative = cursor.skip("-")
    if !isNegative, allowsJSON5 { _ = cursor.skip("+") }
    let sign = isNegative ? "-" : ""
    let whole = cursor.take(while: \.isASCIIDigit)
    if allowsJSON5, whole == "0", cursor.skip("x") || cursor.skip("X") {
      let digits = cursor.take { $0.properties.isASCIIHexDigit }
      guard !digits.isEmpty else { throw expected("a hexadecimal digit") }
      return try integer(sign + digits, radix: 16, at: place)
    }
    guard !whole.isEmpty || (allowsJSON5 && cursor.next == ".") else {
      throw expected("a digit")
    }
    guard whole.utf8.count <= 1 || whole.utf8.first != UInt8(ascii: "0") else {
      throw failure("a number must not begin with 0", at: place)
    }

    let fraction = try fraction(after: whole)
    let exponent = try exponent()
    if fraction.isEmpty, exponent.isEmpty {
      return try integer(sign + whole, radix: 10, at: place)
    }
    guard let real = Double(sign + (whole.isEmpty ? "0" : whole) + fraction + exponent),
      real.isFinite
    else {
      throw failure("the number is too large", at: place)
    }
    return .real(real)
  }

  private func integer(
    _ digits: String, radix: Int, at place: JSON.Place
  ) throws(JSONError) -> JSON.Content {
    guard let integer = Int64(digits, radix: radix) else {
      throw failure("the integer does not fit into 64 bits", at: place)
    }
    return .integer(integer)
  }

  private mutating func fraction(after whole: String) throws(JSONError) -> String {
    guard cursor.skip(".") else { return "" }
    let digits = cursor.take(while: \.isASCIIDigit)
    if !digits.isEmpty { return "." + digits }
    guard allowsJSON5, !whole.isEmpty else { throw expected("a digit") }
    return ".0"
  }

  private mutating func exponent() throws(JSONError) -> String {
    guard cursor.skip("e") || cursor.skip("E") else { return "" }
    let isNegative = cursor.skip("-")
    if !isNegative { _ = cursor.skip("+") }
    let digits = cursor.take(while: \.isASCIIDigit)
    guard !digits.isEmpty else { throw expected("a digit") }
    return (isNegative ? "e-" : "e") + digits
  }
}
