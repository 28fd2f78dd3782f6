// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc

/// The name that a server's certificate must be valid for: a host name or an IP address.
struct ServerName: Equatable {
  /// Without a trailing dot or a zone, which no certificate contains.
  let text: String
  let isAddress: Bool

  init?(_ name: String) {
    let zoneless = name.prefix { $0 != "%" }
    if Self.isAddress(zoneless) {
      text = String(zoneless)
      isAddress = true
    } else {
      text = String(name.hasSuffix(".") ? name.dropLast() : name[...])
      isAddress = false
    }
    if text.isEmpty || text.utf8.contains(0) { return nil }
  }

  private static func isAddress(_ text: Substring) -> Bool {
    var room = in6_addr()
    return [AF_INET, AF_INET6].contains { unsafe inet_pton($0, String(text), &room) == 1 }
  }
}
