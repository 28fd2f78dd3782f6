// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// The parameters after the "?", each at most once (U-018, U-019).
struct URIParameters {
  /// The parameters that this client knows, still encoded.
  private(set) var values: [String: ArraySlice<Character>] = [:]
  private(set) var extensions: [String: String] = [:]

  private static let known: Set<String> = [
    "socket", "tls-type", "tls-hostname", "tls-verify-peer", "tls-certificates", "tls-psk-file",
  ]

  init(_ query: ArraySlice<Character>) throws(URIError) {
    for pair in query.split(separator: "&") {
      let position = pair.startIndex
      guard let equals = pair.firstIndex(of: "="), equals > position else {
        throw URIError(position: position, message: "a parameter has the form key=value")
      }
      let key = try pair[..<equals].text(also: Delimiters.parameter)
      let value = pair[(equals + 1)...]
      guard values[key] == nil, extensions[key] == nil else {
        throw URIError(position: position, message: "'\(shown(key))' is given twice")
      }
      if key.hasPrefix("x-") {
        extensions[key] = try value.text(also: Delimiters.parameter)
      } else if Self.known.contains(key) {
        values[key] = value
      } else {
        throw URIError(position: position, message: "the parameter '\(shown(key))' is not known")
      }
    }
  }

  /// Applies the parameters for TLS (U-014 to U-017).
  func apply(to tls: inout URI.TLS?, allowed: URI.Permissions) throws(URIError) {
    let keys = values.filter { $0.key.hasPrefix("tls-") }
      .sorted { $0.value.startIndex < $1.value.startIndex }
    guard var settings = tls else {
      guard let first = keys.first else { return }
      throw URIError(
        position: first.value.startIndex,
        message: "'\(first.key)' needs TLS, the scheme nbds, nbds+unix or nbds+vsock")
    }
    for (key, part) in keys {
      let position = part.startIndex
      let value = try part.text(also: Delimiters.parameter)
      guard !value.isEmpty else {
        throw URIError(position: position, message: "'\(key)' needs a value")
      }
      switch key {
      case "tls-type":
        guard let type = URI.Authentication(rawValue: value) else {
          throw URIError(position: position, message: "'tls-type' is anon, x509 or psk")
        }
        settings.type = type
      case "tls-hostname":
        settings.hostname = value
      case "tls-verify-peer":
        guard value == "0" || value == "1" else {
          throw URIError(position: position, message: "'tls-verify-peer' is 0 or 1")
        }
        settings.verifyPeer = value == "1"
      default:
        guard allowed.contains(.localFiles) else {
          throw URIError(
            position: position, message: "'\(key)' names a local file, not allowed here")
        }
        if key == "tls-certificates" {
          settings.certificates = value
        } else {
          settings.pskFile = value
        }
      }
    }
    tls = settings
  }
}
