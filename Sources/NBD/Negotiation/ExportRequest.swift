// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// What a client requests from a server, and how.
package struct ExportRequest: Sendable, Equatable {
  /// The name of the export; the empty one is the server's default export.
  package var name: String
  /// Whether to request the canonical name and the description as well (N-095).
  package var details = false
  /// Whether the connection has to be encrypted.
  package var security = Security.none
  /// Whether the client supports structured replies.
  package var structuredReplies = false
  /// Whether the client supports extended headers, which implies structured replies.
  package var extendedHeaders = false
  /// The metadata contexts to query block status for; requires structured replies (N-131).
  package var contexts: [String] = []
  /// Whether the client complies with the block sizes that the server states.
  ///
  /// Requesting them promises that, so a client that cannot must not do so (N-099). A server may insist.
  package var keepsBlockSizes = true

  package init(_ name: String) { self.name = name }

  /// Requests what a URI points to, encrypted if its scheme says so (U-002).
  package init(_ uri: URI) {
    name = uri.exportName
    security = uri.tls == nil ? .none : .required
  }

  /// The information items that GO and INFO request, none twice (N-095, N-099).
  var information: [InformationType] {
    (keepsBlockSizes ? [.blockSize] : []) + (details ? [.name, .description] : [])
  }
}

/// Whether a connection has to be encrypted.
package enum Security: Sendable {
  /// TLS is not requested.
  case none
  /// TLS is required: never unencrypted (N-049, U-002).
  case required
  /// TLS if the server offers it, and a note if it does not (N-057).
  case opportunistic
}
