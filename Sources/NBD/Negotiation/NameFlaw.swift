// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Why bytes cannot be the name of an export (proto.md, *Conventions*; N-113, N-183, U-010).
package enum NameFlaw: Error, Sendable, Equatable, CustomStringConvertible {
  /// It is too long; its length in bytes.
  case tooLong(Int)
  /// It contains a NUL.
  case holdsNUL
  /// It is not valid UTF-8.
  case notUTF8

  /// Finds what is wrong with a name; nil if nothing is.
  package init?(in name: [UInt8]) {
    if name.count > longestString {
      self = .tooLong(name.count)
    } else if name.contains(0) {
      self = .holdsNUL
    } else if String(validating: name, as: UTF8.self) == nil {
      self = .notUTF8
    } else {
      return nil
    }
  }

  /// What is wrong with it.
  package var description: String {
    switch self {
    case .tooLong(let count): "it has \(count) bytes and may have \(longestString)"
    case .holdsNUL: "it holds a NUL"
    case .notUTF8: "it is not UTF-8"
    }
  }
}
