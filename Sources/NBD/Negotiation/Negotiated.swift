// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// What a negotiation ended with.
package struct Negotiated: Sendable {
  /// What to attach to.
  package var export: Export
  /// The style of the server.
  package var handshake: HandshakeStyle
  /// How the server answers requests, whatever was wished for (N-067).
  package var replies: ReplyStyle
  /// The contexts that block status tells about, in the order in which they were asked for.
  package var contexts: [MetadataContext]
  /// Whether the connection is encrypted.
  package var isSecure: Bool
  /// What the server did that is worth a warning and no failure, a sentence each.
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

/// The style of a server, which its greeting shows (N-009).
package enum HandshakeStyle: Sendable {
  /// One export without a name, and no options.
  case oldstyle
  /// EXPORT_NAME is the only option.
  case newstyle
  /// Every option gets a reply.
  case fixedNewstyle
}

/// How a server answers requests (proto.md, *Transmission phase*).
package enum ReplyStyle: Sendable {
  /// One reply for one request.
  case simple
  /// A reply may be structured: one or more chunks, in which holes and errors have a place.
  case structured
  /// Requests and chunks have 64-bit lengths.
  case extended
}

/// Something a server can tell about every block of an export (proto.md, *Metadata contexts*).
package struct MetadataContext: Sendable, Equatable {
  /// Its name: a namespace, a colon and what the namespace makes of the rest.
  package var name: String
  /// What stands for the name in replies, on this connection only (N-147).
  package var id: UInt32

  package init(name: String, id: UInt32) {
    self.name = name
    self.id = id
  }

  /// The context that tells holes and zeroes.
  package static let allocation = "base:allocation"
}
