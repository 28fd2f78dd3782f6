// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A JSON value that records where it was read.
///
/// Names and strings are compared scalar by scalar, as RFC 8259 specifies, and not as Swift compares
/// strings: canonical equivalence would consider "K" and the Kelvin sign the same name, and needs
/// quadratic time on a long run of combining marks, which any client may send.
package struct JSON: Sendable {
  /// The content of a value.
  package enum Content: Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    /// A number written with a fraction or an exponent.
    case real(Double)
    case string(String)
    case array([JSON])
    /// Members in the order of the text.
    case object([Member])
  }

  /// A name and its value in an object.
  package struct Member: Sendable {
    package var name: String
    /// Where the name begins; nil for one that was not read from a text.
    package var namePlace: Place?
    package var value: JSON

    package init(name: String, at namePlace: Place? = nil, value: JSON) {
      self.name = name
      self.namePlace = namePlace
      self.value = value
    }
  }

  /// Line and column in a text, both from 1; a column is one Unicode scalar.
  package struct Place: Sendable, Equatable {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) {
      self.line = line
      self.column = column
    }
  }

  /// The content of the value.
  package var value: Content

  /// Where the value begins; nil for one that was not read from a text.
  package var place: Place?

  package init(_ value: Content, at place: Place? = nil) {
    self.value = value
    self.place = place
  }
}

extension JSON {
  /// The member of that name; nil if there is none or this is not an object.
  ///
  /// A member that is present and null returns a JSON null.
  package subscript(name: String) -> JSON? {
    members?.first { $0.name.isIdentical(to: name) }?.value
  }

  /// The string; nil for anything else, likewise in the following properties.
  package var string: String? { if case .string(let string) = value { string } else { nil } }

  /// The integer; nil for a number that was written with a fraction or an exponent.
  package var integer: Int64? { if case .integer(let integer) = value { integer } else { nil } }

  /// The number, in either notation.
  package var real: Double? {
    switch value {
    case .real(let real): real
    case .integer(let integer): Double(integer)
    default: nil
    }
  }

  package var bool: Bool? { if case .bool(let bool) = value { bool } else { nil } }
  package var array: [JSON]? { if case .array(let elements) = value { elements } else { nil } }
  package var members: [Member]? { if case .object(let members) = value { members } else { nil } }
  package var isNull: Bool { if case .null = value { true } else { false } }

  /// The kind of the value, for messages.
  package var kind: String {
    switch value {
    case .null: "null"
    case .bool: "true or false"
    case .integer: "an integer"
    case .real: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

/// Equality: ignores places, but not the order of members.
extension JSON: Equatable {
  package static func == (left: JSON, right: JSON) -> Bool { left.value == right.value }
}

extension JSON.Member: Equatable {
  package static func == (left: JSON.Member, right: JSON.Member) -> Bool {
    left.name.isIdentical(to: right.name) && left.value == right.value
  }
}

extension JSON.Content: Equatable {
  package static func == (left: JSON.Content, right: JSON.Content) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.integer(let left), .integer(let right)): left == right
    case (.real(let left), .real(let right)): left == right
    case (.string(let left), .string(let right)): left.isIdentical(to: right)
    case (.array(let left), .array(let right)): left == right
    case (.object(let left), .object(let right)): left == right
    default: false
    }
  }
}

extension String {
  /// Whether both consist of the same Unicode scalars.
  func isIdentical(to other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
