// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Asks the server at the other end of `stream` about one export, and attaches to nothing.
///
/// Nothing may have been read from the stream before, and the caller closes it. The contexts of the
/// request do not matter, all that there are are listed. A server that tells about an export only
/// when it is attached to is told at once that it can go.
package func describe(
  _ request: ExportRequest, over stream: some ByteStream
) throws(NegotiationError) -> Description {
  try Negotiation.run(over: stream) { (negotiation) throws(NegotiationError) in
    try negotiation.describe(request)
  }
}

/// What a server tells about an export.
package struct Description: Sendable {
  /// The export.
  package var export: Export
  /// The style of the server.
  package var handshake: HandshakeStyle
  /// How the server would answer requests.
  package var replies: ReplyStyle
  /// The metadata contexts that the export has, fit to be shown.
  package var contexts: [String]
  /// Whether the connection is encrypted.
  package var isSecure: Bool
  /// What the server did that is worth a warning and no failure, a sentence each.
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
      // Some know the size only of what is attached to (nbd-server 3.24).
      let attached = told.sizeBytes == 0 ? try negotiation.facts(of: request, by: .go) : nil
      return attached ?? told
    }
    leave()
    return Description(
      export: export, handshake: handshake, replies: replies, contexts: contexts,
      isSecure: isSecure, notes: notes)
  }
}
