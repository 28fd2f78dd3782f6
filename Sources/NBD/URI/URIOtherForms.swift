// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Common notations that are not URIs.
extension URI {
  /// Reads the path of a socket, `HOST:PORT` (with or without a path), and QEMU's `nbd:unix:PATH` and
  /// `nbd:HOST:PORT` (with or without `:exportname=NAME`); nil for anything else.
  ///
  /// Only for suggesting a URI: the interpretation is a guess.
  init?(otherForm text: String) {
    // A suggestion that fills the screen does not help.
    guard text.utf8.count <= 1024 else { return nil }
    if text.hasPrefix("/") {
      self.init(socket: text, export: "")
    } else if text.hasPrefix("nbd:") {
      let parts = text.dropFirst("nbd:".count).split(separator: ":exportname=", maxSplits: 1)
      let export = parts.count > 1 ? String(parts[1]) : ""
      guard let place = parts.first else { return nil }
      if place.hasPrefix("unix:") {
        self.init(socket: String(place.dropFirst("unix:".count)), export: export)
      } else {
        self.init(place: place + "/" + export.utf8.percentEncoded())
      }
    } else {
      self.init(place: text[...])
    }
  }

  private init?(socket path: String, export: String) {
    let (path, export) = (path.utf8.percentEncoded(keeping: "/"), export.utf8.percentEncoded())
    try? self.init(parsing: "nbd+unix:///\(export)?socket=\(path)")
  }

  /// Requires a port: a name alone is too ambiguous.
  private init?(place: Substring) {
    let authority = place.prefix { $0 != "/" }
    guard let colon = authority.lastIndex(of: ":"),
      let port = UInt16(authority[authority.index(after: colon)...]), port > 0
    else { return nil }
    try? self.init(parsing: "nbd://\(place)")
  }
}
