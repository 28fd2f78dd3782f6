// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

@testable import Daemon

/// The keys as members of types in org.nbdd.varlink.
nonisolated enum KeyInterface {
  static func members(_ keys: [ConfigurationKey<some Configurable>]) -> String {
    keys.map(\.description).map { key in
      let mark = key.isOptional ? "?" : ""
      let comment = (key.text + key.limits).withoutBackquotes.wrapped(100, prefix: "  # ")
      return "\(comment)\n  \(key.name): \(mark)\(key.type.interface)"
    }.joined(separator: ",\n")
  }

  /// The keys that a reload may change, in a comment.
  static var changeable: String { "\(changeableKeys.listed).".wrapped(100, prefix: "# ") }
}
