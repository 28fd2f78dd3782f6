// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Makes foreign text safe to show in one line, whatever its bytes are.
///
/// Whatever could control a terminal, end a line, reorder text or be invisible is escaped, and so
/// is each byte that is not UTF-8: a line feed as `\n`, anything else as `\u{…}`. Text longer than
/// `limit` bytes is cut and ends in "…" (N-038, N-183). Escaping a text twice is the same as
/// escaping it once.
///
/// It works on scalars and never on characters, because "\r\n" is a single one, and takes time in
/// proportion to the text.
package func shown(_ bytes: some RandomAccessCollection<UInt8>, limit: Int = 4096) -> String {
  var text = ""
  var parser = Unicode.UTF8.ForwardParser()
  var ahead = bytes.makeIterator()
  var rest = bytes[...]
  while true {
    let scalar: Unicode.Scalar?
    let length: Int
    switch parser.parseScalar(from: &ahead) {
    case .valid(let encoded): (scalar, length) = (Unicode.UTF8.decode(encoded), encoded.count)
    case .error(let count): (scalar, length) = (nil, count)
    case .emptyInput: return text
    }
    guard bytes.count - rest.count + length <= limit else { return text + "…" }
    switch scalar {
    case "\n": text += "\\n"
    case let scalar? where scalar.isPrintable: text.unicodeScalars.append(scalar)
    case let scalar?: text += escape(scalar.value)
    case nil: text += rest.prefix(length).map { escape(UInt32($0)) }.joined()
    }
    rest = rest.dropFirst(length)
  }
}

/// Makes foreign text safe to show in one line.
package func shown(_ text: String, limit: Int = 4096) -> String {
  if text.utf8.count <= limit, text.utf8.allSatisfy({ 0x20...0x7e ~= $0 }) { return text }
  return shown(Array(text.utf8), limit: limit)
}

/// Makes text of several lines safe to show: its line breaks stay, everything else is as in one
/// line.
package func shownLines(_ text: String) -> String {
  text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    .map { shown(String(Substring($0))) }.joined(separator: "\n")
}

private func escape(_ value: UInt32) -> String {
  "\\u{\(String(value, radix: 16))}"
}

extension Unicode.Scalar {
  /// Whether it is shown unescaped: it is not a control character or line separator, does not
  /// change the writing direction, is not invisible, and means the same everywhere.
  package var isPrintable: Bool {
    if isASCII { return 0x20...0x7e ~= value }
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse,
      .unassigned:
      return false
    default:
      // Fillers, joiners and variation selectors are letters or marks by their category.
      return !properties.isDefaultIgnorableCodePoint
    }
  }
}
