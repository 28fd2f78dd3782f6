// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// What a client wants of a server, and how.
package struct ExportRequest: Sendable, Equatable {
  /// The name of the export; the empty one is the server's default export.
  package var name: String
  /// Whether the canonical name and the description are wanted as well (N-095).
  package var details = false
  /// Whether the connection has to be encrypted.
  package var security = Security.none
  /// Whether structured replies can be dealt with.
  package var structuredReplies = false
  /// Whether extended headers can be dealt with, which is to say structured replies as well.
  package var extendedHeaders = false
  /// The metadata contexts whose block status is wanted, which takes structured replies (N-131).
  package var contexts: [String] = []
  /// Whether the block sizes that the server states will be kept.
  ///
  /// To ask for them is to promise that, so a client that cannot must not ask (N-099). A server may insist.
  package var keepsBlockSizes = true

  package init(_ name: String) { self.name = name }

  /// What a URI points to, encrypted if its scheme says so (U-002).
  package init(_ uri: URI) {
    name = uri.exportName
    security = uri.tls == nil ? .none : .required
  }

  /// What GO and INFO are asked for, no item twice (N-095, N-099).
  var information: [InformationType] {
    (keepsBlockSizes ? [.blockSize] : []) + (details ? [.name, .description] : [])
  }
}

/// Whether a connection has to be encrypted.
package enum Security: Sendable {
  /// TLS is not asked for.
  case none
  /// No TLS, no export: never unencrypted (N-049, U-002).
  case required
  /// TLS where the server offers it, with a note where it does not (N-057).
  case opportunistic
}
