// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

extension JSON {
  /// The value as strict JSON in one line, members in their order.
  ///
  /// A number that is not finite becomes null: JSON has no notation for it.
  package var text: String {
    var writer = JSONWriter(isIndented: false)
    writer.write(self, level: 0)
    return writer.text
  }

  /// The value as strict JSON for people: indented by two spaces, without a final line break.
  package var indentedText: String {
    var writer = JSONWriter(isIndented: true)
    writer.write(self, level: 0)
    return writer.text
  }
}

/// A writer of strict JSON that is safe for terminals: unprintable characters are escaped.
private struct JSONWriter {
  let isIndented: Bool
  private(set) var text = ""

  init(isIndented: Bool) { self.isIndented = isIndented }

  mutating func write(_ value: JSON, level: Int) {
    switch value.value {
    case .null: text += "null"
    case .bool(let bool): text += bool ? "true" : "false"
    case .integer(let integer): text += String(integer)
    case .real(let real): text += real.isFinite ? String(real) : "null"
    case .string(let string): write(string)
    case .array(let elements):
      write(elements, between: "[", and: "]", level: level) { writer, element in
        writer.write(element, level: level + 1)
      }
    case .object(let members):
      write(members, between: "{", and: "}", level: level) { writer, member in
        writer.write(member.name)
        writer.text += writer.isIndented ? ": " : ":"
        writer.write(member.value, level: level + 1)
      }
    }
  }

  private mutating func write<Item>(
    _ items: [Item], between open: String, and close: String, level: Int,
    item write: (inout JSONWriter, Item) -> Void
  ) {
    text += open
    var separator = ""
    for item in items {
      text += separator
      breakLine(level: level + 1)
      write(&self, item)
      separator = ","
    }
    if !items.isEmpty { breakLine(level: level) }
    text += close
  }

  private mutating func breakLine(level: Int) {
    guard isIndented else { return }
    text += "\n" + String(repeating: "  ", count: level)
  }

  private mutating func write(_ string: String) {
    text += "\""
    defer { text += "\"" }
    if string.utf8.allSatisfy(\.isPlain) { return text += string }
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where scalar.isPrintable: text.unicodeScalars.append(scalar)
      default: for unit in String(scalar).utf16 { text += Self.escape(unit) }
      }
    }
  }

  private static func escape(_ unit: UInt16) -> String {
    let digits = String(unit, radix: 16)
    return "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
  }
}

extension UInt8 {
  /// Whether it needs no escape in a string: it is printable ASCII, no quotation mark and no backslash.
  fileprivate var isPlain: Bool {
    0x20...0x7E ~= self && self != UInt8(ascii: "\"") && self != UInt8(ascii: "\\")
  }
}
