// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A user and its pre-shared key, from a file with lines `user:hexadecimal key`.
struct PreSharedKey: Equatable {
  let user: String
  /// Hexadecimal, as in the file.
  let key: [UInt8]

  /// Finds the key of a user, or of the only user in the file.
  ///
  /// Empty lines and a byte-order mark are ignored. A line that begins with "#" has its user in
  /// hexadecimal, as GnuTLS's own programs write and read it, or else is a comment.
  init(
    of wanted: String?, in bytes: [UInt8], file: String
  ) throws(CredentialsError) {
    var found: [PreSharedKey] = []
    let mark: [UInt8] = [0xef, 0xbb, 0xbf]
    let text = bytes.starts(with: mark) ? bytes.dropFirst(mark.count) : bytes[...]
    for (index, line) in text.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated()
    {
      let line = line.last == 0x0d ? line.dropLast() : line
      if line.isEmpty { continue }
      guard let entry = PreSharedKey(line: line) else {
        if line.first == 0x23 { continue }
        throw .malformedLine(index + 1, file: file)
      }
      if wanted == nil || wanted == entry.user { found.append(entry) }
    }
    if wanted == nil && found.count > 1 { throw .ambiguousUser(file: file) }
    guard let entry = found.first else {
      if let wanted { throw .unknownUser(wanted, file: file) }
      throw .unusable(.preSharedKeys, file: file, reason: "the file has none")
    }
    self = entry
  }

  // The key contains no colon, but the user may. GnuTLS accepts no key shorter than 4 bytes.
  private init?(line: ArraySlice<UInt8>) {
    guard let colon = line.lastIndex(of: 0x3a) else { return nil }
    let name = line[..<colon]
    key = Array(line[(colon + 1)...])
    guard let bytes = name.first == 0x23 ? Self.bytes(hexadecimal: name.dropFirst()) : Array(name),
      let user = String(validating: bytes, as: UTF8.self), !user.isEmpty, !user.utf8.contains(0),
      let secret = Self.bytes(hexadecimal: key[...]), secret.count >= 4
    else { return nil }
    self.user = user
  }

  private static func bytes(hexadecimal text: ArraySlice<UInt8>) -> [UInt8]? {
    let digits = text.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
    guard digits.count == text.count, digits.count.isMultiple(of: 2) else { return nil }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }
}
