// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The result of a negotiation.
package struct Negotiated: Sendable {
  /// The export to attach.
  package var export: Export
  /// The style of the server.
  package var handshake: HandshakeStyle
  /// How the server replies to requests, whatever was requested (N-067).
  package var replies: ReplyStyle
  /// The contexts that block status covers, in the order in which they were requested.
  package var contexts: [MetadataContext]
  /// Whether the connection is encrypted.
  package var isSecure: Bool
  /// What the server did that deserves a warning but is no failure, one sentence each.
  package var notes: [String]

  package init(
    export: Export, handshake: HandshakeStyle = .fixedNewstyle, replies: ReplyStyle = .simple,
    contexts: [MetadataContext] = [], isSecure: Bool = false, notes: [String] = []
  ) {
    self.export = export
    self.handshake = handshake
    self.replies = replies
    self.contexts = contexts
    self.isSecure = isSecure
    self.notes = notes
  }
}

/// The style of a server, recognized by its greeting (N-009).
package enum HandshakeStyle: Sendable {
  /// One export without a name, and no options.
  case oldstyle
  /// EXPORT_NAME is the only option.
  case newstyle
  /// Every option gets a reply.
  case fixedNewstyle
}

/// How a server replies to requests (proto.md, *Transmission phase*).
package enum ReplyStyle: Sendable {
  /// One reply per request.
  case simple
  /// A reply may be structured: one or more chunks, which can report holes and errors.
  case structured
  /// Requests and chunks have 64-bit lengths.
  case extended
}

/// A property that a server can report for every block of an export (proto.md, *Metadata contexts*).
package struct MetadataContext: Sendable, Equatable {
  /// Its name: a namespace, a colon and a part that the namespace defines.
  package var name: String
  /// The id that identifies it in replies, on this connection only (N-147).
  package var id: UInt32

  package init(name: String, id: UInt32) {
    self.name = name
    self.id = id
  }

  /// The context that reports holes and zeroes.
  package static let allocation = "base:allocation"
}
