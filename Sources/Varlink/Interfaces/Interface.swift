// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A Varlink interface: its types, methods and errors, as its text defines them.
package struct Interface: Sendable, Equatable {
  /// The type of a value.
  package indirect enum DataType: Sendable, Equatable {
    case bool
    case int
    case float
    case string
    /// Any JSON object.
    case object
    /// A type of the interface, by its name.
    case named(String)
    case structure([Field])
    case enumeration([String])
    case array(DataType)
    /// An object whose members have any names and one type.
    case map(DataType)
    /// Null or absent, or a value of the type.
    case nullable(DataType)
  }

  /// A member of a structure, of parameters or of a reply.
  package struct Field: Sendable, Equatable {
    package var name: String
    package var type: DataType
    package var documentation: String
  }

  /// A definition of a type.
  package struct NamedType: Sendable, Equatable {
    package var name: String
    /// A structure or an enumeration.
    package var type: DataType
    package var documentation: String
  }

  /// A definition of a method: its parameters and its reply.
  package struct Method: Sendable, Equatable {
    package var name: String
    package var input: [Field]
    package var output: [Field]
    package var documentation: String
  }

  /// A definition of an error.
  package struct NamedError: Sendable, Equatable {
    package var name: String
    package var parameters: [Field]
    package var documentation: String
  }

  /// The name, for example "org.nbdd".
  package internal(set) var name: String

  /// The comment lines directly above, without their "#"; also for each member and field.
  package internal(set) var documentation: String

  /// The types, in the order of the text; likewise the methods and the errors.
  package internal(set) var types: [NamedType] = []
  package internal(set) var methods: [Method] = []
  package internal(set) var errors: [NamedError] = []

  /// The text that was read.
  package internal(set) var text: String

  /// The type of that name.
  package func type(named name: String) -> NamedType? {
    types.first { $0.name.isIdentical(to: name) }
  }

  /// The method of that name, with or without the interface's name as prefix.
  package func method(named name: String) -> Method? {
    methods.first { isName(name, of: $0.name) }
  }

  /// The error of that name, with or without the interface's name as prefix.
  package func error(named name: String) -> NamedError? {
    errors.first { isName(name, of: $0.name) }
  }

  private func isName(_ name: String, of member: String) -> Bool {
    name.isIdentical(to: member) || name.isIdentical(to: "\(self.name).\(member)")
  }
}

/// The full name of a method or an error, split: "org.nbdd" and "Attach".
struct QualifiedName {
  let interface: String
  let member: String

  /// Fails if either part does not match the grammar.
  init?(_ name: String) {
    let scalars = name.unicodeScalars
    guard let dot = scalars.lastIndex(of: ".") else { return nil }
    interface = String(scalars[..<dot])
    member = String(scalars[scalars.index(after: dot)...])
    guard interface.isInterfaceName, member.isMemberName else { return nil }
  }
}

/// The syntax of names.
extension String {
  /// Labels joined by dots, at least two, of letters, digits and single inner hyphens; the first
  /// begins with a letter.
  var isInterfaceName: Bool {
    let labels = unicodeScalars.split(separator: ".", omittingEmptySubsequences: false)
    return labels.count >= 2
      && unicodeScalars.first?.isASCIILetter == true
      && labels.allSatisfy { Self.isJoined($0, by: "-") }
  }

  /// An upper-case letter, then letters and digits.
  var isMemberName: Bool {
    guard let first = unicodeScalars.first, ("A"..."Z").contains(first) else { return false }
    return unicodeScalars.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit }
  }

  /// A letter, then letters and digits with single underscores between them.
  var isFieldName: Bool {
    unicodeScalars.first?.isASCIILetter == true && Self.isJoined(unicodeScalars[...], by: "_")
  }

  /// Whether it consists of letters and digits, with single joints between them.
  private static func isJoined(_ text: Substring.UnicodeScalarView, by joint: Unicode.Scalar)
    -> Bool
  {
    text.split(separator: joint, omittingEmptySubsequences: false).allSatisfy { part in
      !part.isEmpty && part.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit }
    }
  }
}
