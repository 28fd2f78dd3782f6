// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Why a text does not define a Varlink interface, and where.
package struct InterfaceError: Error, Sendable, Equatable {
  package var place: JSON.Place
  /// What was expected and what was found instead.
  package var message: String

  package init(place: JSON.Place, message: String) {
    self.place = place
    self.message = message
  }
}

extension Interface {
  /// Reads the text of an interface.
  ///
  /// Types, methods and errors share one namespace, and every type that is referenced must be defined.
  package init(parsing text: String) throws(InterfaceError) {
    var parser = InterfaceParser(text)
    self = try parser.interface()
  }
}

/// A reader of interface texts, by recursive descent.
private struct InterfaceParser {
  private static let maximumDepth = 64

  private let text: String
  private var cursor: Cursor

  /// The line in which each member was defined.
  private var lines: [String: Int] = [:]

  /// Where types were referenced.
  private var references: [(name: String, place: JSON.Place)] = []

  init(_ text: String) {
    self.text = text
    self.cursor = Cursor(Array(text.utf8))
  }

  mutating func interface() throws(InterfaceError) -> Interface {
    let comment = skipBlanks()
    guard !cursor.isAtEnd else { throw failure("the text is empty; expected 'interface'") }
    _ = try keyword(of: ["interface"])
    skipBlanks()
    var interface = Interface(
      name: try name("a name as in 'org.example'", joints: ".-", \.isInterfaceName),
      documentation: comment, text: text)
    var documentation = skipBlanks()
    repeat {
      try member(of: &interface, documentation: documentation)
      documentation = skipBlanks()
    } while !cursor.isAtEnd
    for (name, place) in references where interface.type(named: name) == nil {
      throw failure("\(name.quoted) is not a type of this interface", at: place)
    }
    return interface
  }

  private mutating func member(
    of interface: inout Interface, documentation: String
  ) throws(InterfaceError) {
    let keyword = try keyword(of: ["type", "method", "error"])
    skipBlanks()
    let place = cursor.place
    let name = try name("a name that begins with an upper-case letter", \.isMemberName)
    try note(name, at: place, in: &lines)
    skipBlanks()
    switch keyword {
    case "type":
      let type = try parenthesis(depth: 1)
      interface.types.append(.init(name: name, type: type, documentation: documentation))
    case "error":
      let parameters = try fields()
      interface.errors.append(
        .init(name: name, parameters: parameters, documentation: documentation))
    default:
      let input = try fields()
      skipBlanks()
      guard cursor.skip("-"), cursor.skip(">") else { throw expected("'->'") }
      skipBlanks()
      let output = try fields()
      interface.methods.append(
        .init(name: name, input: input, output: output, documentation: documentation))
    }
  }

  private mutating func fields() throws(InterfaceError) -> [Interface.Field] {
    let place = cursor.place
    guard case .structure(let fields) = try parenthesis(depth: 1) else {
      throw failure("expected fields, each with a type, found names alone", at: place)
    }
    return fields
  }

  /// Reads a structure or an enumeration.
  private mutating func parenthesis(depth: Int) throws(InterfaceError) -> Interface.DataType {
    guard cursor.skip("(") else { throw expected("'('") }
    var documentation = skipBlanks()
    if cursor.skip(")") { return .structure([]) }
    var fields: [Interface.Field] = []
    var names: [String] = []
    var lines: [String: Int] = [:]
    while true {
      let place = cursor.place
      let name = try name("the name of a field", \.isFieldName)
      try note(name, at: place, in: &lines)
      skipBlanks()
      if names.isEmpty, cursor.skip(":") {
        skipBlanks()
        let type = try type(depth: depth + 1)
        fields.append(.init(name: name, type: type, documentation: documentation))
        skipBlanks()
      } else if fields.isEmpty {
        names.append(name)
      } else {
        throw expected("':' and a type")
      }
      if cursor.skip(")") { return names.isEmpty ? .structure(fields) : .enumeration(names) }
      guard cursor.skip(",") else {
        throw expected(names.count == 1 ? "':', ',' or ')'" : "',' or ')'")
      }
      documentation = skipBlanks()
    }
  }

  private mutating func type(
    depth: Int, mayBeNullable: Bool = true
  ) throws(InterfaceError) -> Interface.DataType {
    guard depth <= Self.maximumDepth else {
      throw failure("types are nested more than \(Self.maximumDepth) deep here")
    }
    let place = cursor.place
    switch cursor.next {
    case "("?: return try parenthesis(depth: depth)
    case "?"?:
      guard mayBeNullable else { throw failure("'?' must not stand twice") }
      cursor.advance()
      return .nullable(try type(depth: depth + 1, mayBeNullable: false))
    case "["?:
      cursor.advance()
      let key = cursor.take(while: \.isASCIILetter)
      guard ["", "string"].contains(key), cursor.skip("]") else {
        throw failure("expected '[]' or '[string]' here", at: place)
      }
      let element = try type(depth: depth + 1)
      return key.isEmpty ? .array(element) : .map(element)
    default:
      return try element(at: place)
    }
  }

  private mutating func element(
    at place: JSON.Place
  ) throws(InterfaceError) -> Interface.DataType {
    let word = word()
    switch word {
    case "bool": return .bool
    case "int": return .int
    case "float": return .float
    case "string": return .string
    case "object": return .object
    default:
      guard word.isMemberName else { throw expected("a type", insteadOf: word, at: place) }
      references.append((word, place))
      return .named(word)
    }
  }

  private mutating func keyword(of keywords: [String]) throws(InterfaceError) -> String {
    let place = cursor.place
    let word = word()
    guard keywords.contains(word) else {
      let list = keywords.map(\.quoted).joined(separator: ", ")
      throw expected(list, insteadOf: word, at: place)
    }
    return word
  }

  private mutating func name(
    _ what: String, joints: String = "_", _ isValid: (String) -> Bool
  ) throws(InterfaceError) -> String {
    let place = cursor.place
    let word = word(joints: joints)
    guard isValid(word) else { throw expected(what, insteadOf: word, at: place) }
    return word
  }

  /// Consumes letters, digits and joints, in the right order or not.
  private mutating func word(joints: String = "_") -> String {
    cursor.take { $0.isASCIILetter || $0.isASCIIDigit || joints.unicodeScalars.contains($0) }
  }

  private func note(
    _ name: String, at place: JSON.Place, in lines: inout [String: Int]
  ) throws(InterfaceError) {
    guard let line = lines.updateValue(place.line, forKey: name) else { return }
    throw failure(
      "\(name.quoted) stands here a second time; it was first given in line \(line)", at: place)
  }

  /// Skips blanks and comments, and returns the comment directly above what follows.
  @discardableResult
  private mutating func skipBlanks() -> String {
    // A comment after something else in its line documents nothing.
    var isFirstInLine = cursor.place.column == 1
    var comments: [(line: Int, text: String)] = []
    while let scalar = cursor.next {
      switch scalar {
      case "\n", "\r":
        isFirstInLine = true
        cursor.advance()
      case " ", "\t":
        cursor.advance()
      case "#":
        let line = cursor.place.line
        cursor.advance()
        _ = cursor.skip(" ")
        let text = cursor.take { !$0.isLineBreak }
        if comments.last?.line != line - 1 { comments = [] }
        if isFirstInLine { comments.append((line, text)) }
      default:
        let isDirectlyAbove = comments.last?.line == cursor.place.line - 1
        return isDirectlyAbove ? comments.map(\.text).joined(separator: "\n") : ""
      }
    }
    return ""
  }

  private func expected(
    _ what: String, insteadOf word: String = "", at place: JSON.Place? = nil
  ) -> InterfaceError {
    failure("expected \(what), found \(word.isEmpty ? cursor.found : word.quoted)", at: place)
  }

  private func failure(_ message: String, at place: JSON.Place? = nil) -> InterfaceError {
    InterfaceError(place: place ?? cursor.place, message: message)
  }
}
