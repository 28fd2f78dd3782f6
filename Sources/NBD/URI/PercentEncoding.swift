// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Percent-encoding of URIs (RFC 3986, section 2).
extension ArraySlice<Character> {
  /// Decodes a part of a URI, which may contain unreserved characters and those in `also` (U-020).
  func percentDecoded(also: String) throws(URIError) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = self
    while let character = rest.popFirst() {
      let position = rest.startIndex - 1
      if character == "%" {
        let digits = rest.prefix(2)
        guard digits.count == 2, digits.allSatisfy({ $0.isASCII && $0.isHexDigit }),
          let byte = UInt8(String(digits), radix: 16)
        else { throw URIError(position: position, message: "% needs two hexadecimal digits") }
        bytes.append(byte)
        rest = rest.dropFirst(2)
      } else if character.isUnreserved || also.contains(character) {
        bytes += character.utf8
      } else {
        let encoded = character.utf8.map { "%" + hexadecimal($0) }.joined()
        throw URIError(
          position: position,
          message: "this character cannot stand here; where it is meant it is written \(encoded)")
      }
    }
    return bytes
  }

  /// Decodes a part that must be text without NUL.
  func text(also: String) throws(URIError) -> String {
    let bytes = try percentDecoded(also: also)
    guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
      throw URIError(position: startIndex, message: "UTF-8 without a NUL is expected")
    }
    return text
  }
}

extension Sequence<UInt8> {
  /// Encodes everything but unreserved characters and those in `keeping`.
  func percentEncoded(keeping: String = "") -> String {
    map { byte in
      let character = Character(Unicode.Scalar(byte))
      return character.isUnreserved || keeping.contains(character)
        ? String(character) : "%" + hexadecimal(byte)
    }
    .joined()
  }
}

/// The characters that may subdivide the parts of a URI.
enum Delimiters {
  /// RFC 3986's sub-delims.
  static let sub = "!$&'()*+,;="
  /// Allowed in a path.
  static let path = sub + ":@/"
  /// Allowed in a parameter; parameters are separated by "&".
  static let parameter = path.filter { $0 != "&" } + "?"
}

extension Character {
  /// Whether it is one of RFC 3986's unreserved characters.
  fileprivate var isUnreserved: Bool {
    isASCII && (isLetter || isNumber || "-._~".contains(self))
  }
}
