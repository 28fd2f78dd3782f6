// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Queries the server at the other end of `stream` about one export without attaching to it.
///
/// Nothing may have been read from the stream before, and the caller closes it. The contexts of the
/// request do not matter: all available ones are listed. A server that describes an export only
/// when it is attached gets a disconnect right after.
package func describe(
  _ request: ExportRequest, over stream: some ByteStream
) throws(NegotiationError) -> Description {
  try Negotiation.run(over: stream) { (negotiation) throws(NegotiationError) in
    try negotiation.describe(request)
  }
}

/// What a server reports about an export.
package struct Description: Sendable {
  /// The export.
  package var export: Export
  /// The style of the server.
  package var handshake: HandshakeStyle
  /// How the server would reply to requests.
  package var replies: ReplyStyle
  /// The metadata contexts of the export, safe to display.
  package var contexts: [String]
  /// Whether the connection is encrypted.
  package var isSecure: Bool
  /// What the server did that deserves a warning but is no failure, one sentence each.
  package var notes: [String]
}

extension Negotiation {
  /// The conversation from the first byte to the last (N-143, N-163).
  mutating func describe(_ request: ExportRequest) throws(NegotiationError) -> Description {
    var contexts: [String] = []
    let (export, handshake, replies) = try reach(request, structured: true) {
      (negotiation, replies) throws(NegotiationError) in
      guard let told = try negotiation.facts(of: request, by: .info) else { return nil }
      if replies != .simple {
        contexts = try negotiation.listContexts(of: Array(request.name.utf8))
      }
      // Some servers know the size of an export only once it is attached (nbd-server 3.24).
      let attached = told.sizeBytes == 0 ? try negotiation.facts(of: request, by: .go) : nil
      return attached ?? told
    }
    leave()
    return Description(
      export: export, handshake: handshake, replies: replies, contexts: contexts,
      isSecure: isSecure, notes: notes)
  }
}
