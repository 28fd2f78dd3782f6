// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Varlink

/// One fault in what a user wrote, with its place.
nonisolated struct Problem: Error, Sendable, Equatable, CustomStringConvertible {
  var file: String
  var place: JSON.Place?
  var message: String

  /// As compilers print it: file, line, column, message.
  var description: String {
    let position = place.map { ":\($0.line):\($0.column)" } ?? ""
    return "\(file)\(position): \(message)"
  }
}

/// Why a configuration was not applied.
struct ConfigurationFaults: Error {
  var problems: [Problem]
}
