// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// JSON values written as Swift literals, and made from Swift values.
///
/// There is no literal for null: as a literal, `nil` would turn "condition ? value : nil" from an
/// absent value into a null.
extension JSON: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  package init(booleanLiteral bool: Bool) { self.init(.bool(bool)) }
  package init(integerLiteral integer: Int64) { self.init(.integer(integer)) }
  package init(floatLiteral real: Double) { self.init(.real(real)) }
  package init(stringLiteral string: String) { self.init(.string(string)) }
  package init(arrayLiteral elements: JSON...) { self.init(.array(elements)) }

  /// An object with its members in the order written.
  package init(dictionaryLiteral members: (String, JSON)...) {
    self.init(.object(members.map { name, value in Member(name: name, value: value) }))
  }

  /// The value null.
  package static let null = JSON(.null)

  package init(_ bool: Bool) { self.init(.bool(bool)) }
  package init(_ string: String) { self.init(.string(string)) }
  package init(_ strings: [String]) { self.init(.array(strings.map { JSON($0) })) }
  package init(_ elements: [JSON]) { self.init(.array(elements)) }

  /// The integer, clamped to a signed 64-bit one.
  package init(_ integer: some BinaryInteger) { self.init(.integer(Int64(clamping: integer))) }

  /// An object of the members that are not nil, in the order given.
  package static func object(_ members: KeyValuePairs<String, JSON?>) -> JSON {
    JSON(
      .object(
        members.compactMap { name, value in value.map { Member(name: name, value: $0) } }))
  }
}
