// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Why a text is not JSON, and where.
package struct JSONError: Error, Sendable, Equatable {
  /// Where the text stops being JSON, or where what is wrong begins.
  package var place: JSON.Place

  /// What was expected and what was found instead, for example "expected ',' or '}', found 'x'".
  package var message: String

  package init(place: JSON.Place, message: String) {
    self.place = place
    self.message = message
  }
}

extension JSON {
  /// What a text may contain.
  package enum Dialect: Sendable {
    /// RFC 8259, as on the wire.
    case strict

    /// JSON5, as in configuration files; Infinity and NaN are rejected nevertheless.
    case json5
  }

  /// Reads the one value that the text consists of.
  ///
  /// Takes time proportional to the length of the text, whatever it contains. A name must not occur twice
  /// in an object, integers must fit into 64 bits, and arrays and objects may be nested at most
  /// `maximumDepth` deep.
  package init(
    parsing text: [UInt8], dialect: Dialect, maximumDepth: Int = 64
  ) throws(JSONError) {
    var reader = JSONReader(text, dialect: dialect, maximumDepth: maximumDepth)
    self = try reader.document()
  }
}

/// A reader of JSON and JSON5, by recursive descent.
struct JSONReader {
  var cursor: Cursor
  let allowsJSON5: Bool
  private let maximumDepth: Int

  init(_ text: [UInt8], dialect: JSON.Dialect, maximumDepth: Int) {
    self.cursor = Cursor(text)
    self.allowsJSON5 = dialect == .json5
    self.maximumDepth = maximumDepth
  }

  mutating func document() throws(JSONError) -> JSON {
    try skipBlanks()
    guard !cursor.isAtEnd else { throw failure("the text is empty; expected a value") }
    let value = try value(depth: 0)
    try skipBlanks()
    guard cursor.isAtEnd else { throw expected("the end of the text") }
    return value
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSON {
    let place = cursor.place
    let value: JSON.Content
    switch cursor.next {
    case "{"?: value = .object(try members(depth: depth + 1))
    case "["?: value = .array(try elements(depth: depth + 1))
    case "\""?: value = .string(try string())
    case "'"? where allowsJSON5: value = .string(try string())
    case "-"?, ("0"..."9")?: value = try number()
    case "+"? where allowsJSON5, "."? where allowsJSON5: value = try number()
    case let letter? where letter.isASCIILetter: value = try word()
    default: throw expected("a value")
    }
    return JSON(value, at: place)
  }

  private mutating func word() throws(JSONError) -> JSON.Content {
    let place = cursor.place
    let word = cursor.take { $0.isASCIILetter || $0.isASCIIDigit || $0 == "_" }
    switch word {
    case "null": return .null
    case "true": return .bool(true)
    case "false": return .bool(false)
    default: throw expected("a value", found: word.quoted, at: place)
    }
  }

  private mutating func elements(depth: Int) throws(JSONError) -> [JSON] {
    var elements: [JSON] = []
    try list(until: "]", depth: depth) { (reader) throws(JSONError) in
      elements.append(try reader.value(depth: depth))
    }
    return elements
  }

  private mutating func members(depth: Int) throws(JSONError) -> [JSON.Member] {
    var members: [JSON.Member] = []
    var lines: [[UInt8]: Int] = [:]
    try list(until: "}", depth: depth) { (reader) throws(JSONError) in
      let place = reader.cursor.place
      let name = try reader.name()
      if let line = lines.updateValue(place.line, forKey: Array(name.utf8)) {
        throw reader.failure(
          "\(name.quoted) stands here a second time; it was first given in line \(line)",
          at: place)
      }
      try reader.skipBlanks()
      guard reader.cursor.skip(":") else {
        throw reader.expected("':' after the name \(name.quoted)")
      }
      try reader.skipBlanks()
      members.append(JSON.Member(name: name, at: place, value: try reader.value(depth: depth)))
    }
    return members
  }

  /// Reads elements between brackets, separated by commas.
  private mutating func list(
    until close: Unicode.Scalar, depth: Int,
    item: (inout JSONReader) throws(JSONError) -> Void
  ) throws(JSONError) {
    guard depth <= maximumDepth else {
      throw failure("arrays and objects are nested more than \(maximumDepth) deep here")
    }
    cursor.advance()
    try skipBlanks()
    if cursor.skip(close) { return }
    while true {
      try item(&self)
      try skipBlanks()
      if cursor.skip(close) { return }
      guard cursor.skip(",") else { throw expected("',' or '\(close)'") }
      try skipBlanks()
      if allowsJSON5, cursor.skip(close) { return }
    }
  }

  /// Skips blanks and, in JSON5, comments.
  private mutating func skipBlanks() throws(JSONError) {
    while let scalar = cursor.next {
      if isBlank(scalar) {
        cursor.advance()
      } else if allowsJSON5, scalar == "/" {
        try skipComment()
      } else {
        return
      }
    }
  }

  private mutating func skipComment() throws(JSONError) {
    let begin = cursor.place
    cursor.advance()
    if cursor.skip("/") {
      while let scalar = cursor.next, !endsJSON5Line(scalar) { cursor.advance() }
      return
    }
    guard cursor.skip("*") else { throw expected("'/' or '*' to begin a comment") }
    var isStar = false
    while let scalar = cursor.next {
      cursor.advance()
      if isStar, scalar == "/" { return }
      isStar = scalar == "*"
    }
    throw expected("'*/' to end the comment that begins in line \(begin.line)")
  }

  private func isBlank(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case " ", "\t", "\n", "\r": true
    case "\u{B}", "\u{C}", "\u{2028}", "\u{2029}", "\u{FEFF}": allowsJSON5
    default: allowsJSON5 && scalar.properties.generalCategory == .spaceSeparator
    }
  }

  /// Whether JSON5 ends a line here; lines are counted by `Cursor`, as editors count them.
  func endsJSON5Line(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isLineBreak || scalar == "\u{2028}" || scalar == "\u{2029}"
  }

  func failure(_ message: String, at place: JSON.Place? = nil) -> JSONError {
    JSONError(place: place ?? cursor.place, message: message)
  }

  func expected(
    _ what: String, found: String? = nil, at place: JSON.Place? = nil
  ) -> JSONError {
    failure("expected \(what), found \(found ?? cursor.found)", at: place)
  }
}
