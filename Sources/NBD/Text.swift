// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The most bytes that any string of the protocol may have (proto.md, *Conventions*).
let longestString = 4096

/// Makes text that came from elsewhere fit to be shown, whatever its bytes are.
///
/// Control, format and bidirectional characters, line separators and bytes that are not UTF-8 are
/// escaped: a line feed as `\n`, anything else as `\u{…}`. What is longer than `limit` bytes is cut
/// and ends in "…" (N-038, N-183).
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
    case let scalar? where scalar.isHarmless: text.unicodeScalars.append(scalar)
    case let scalar?: text += escape(scalar.value)
    case nil: text += rest.prefix(length).map { escape(UInt32($0)) }.joined()
    }
    rest = rest.dropFirst(length)
  }
}

/// Makes text that came from elsewhere fit to be shown.
package func shown(_ text: String, limit: Int = 4096) -> String {
  shown(Array(text.utf8), limit: limit)
}

/// Writes a number as the hexadecimal digits that its type has.
func hexadecimal<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: Value.bitWidth / 4 - digits.count) + digits
}

private func escape(_ value: UInt32) -> String {
  "\\u{\(String(value, radix: 16))}"
}

extension Unicode.Scalar {
  /// Whether showing it can neither steer a terminal nor reorder or break a line.
  fileprivate var isHarmless: Bool {
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: false
    default: true
    }
  }
}
