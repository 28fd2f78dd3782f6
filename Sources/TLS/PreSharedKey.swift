// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A user and the key that the server has for it, from a file with lines `user:hexadecimal key`.
struct PreSharedKey: Equatable {
  let user: String
  /// Hexadecimal, as in the file.
  let key: [UInt8]

  /// Finds the key of a user, or that of the only user in the file.
  ///
  /// Empty lines and those that begin with "#" say nothing.
  init(
    of wanted: String?, in bytes: [UInt8], file: String
  ) throws(CredentialsError) {
    var found: [PreSharedKey] = []
    for (index, line) in bytes.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated()
    {
      let line = line.last == 0x0d ? line.dropLast() : line
      if line.isEmpty || line.first == 0x23 { continue }
      guard let entry = PreSharedKey(line: line) else {
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

  // The key has no colon, the user may have some. GnuTLS takes no key below 4 bytes.
  private init?(line: ArraySlice<UInt8>) {
    guard let colon = line.lastIndex(of: 0x3a) else { return nil }
    let name = line[..<colon]
    key = Array(line[(colon + 1)...])
    let isHexadecimal = key.allSatisfy { Character(Unicode.Scalar($0)).isHexDigit }
    guard let user = String(validating: name, as: UTF8.self),
      !user.isEmpty, !user.utf8.contains(0), key.count.isMultiple(of: 2),
      key.count >= 8, isHexadecimal
    else { return nil }
    self.user = user
  }
}
