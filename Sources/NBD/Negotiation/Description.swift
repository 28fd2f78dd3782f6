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
  package var handshake: Handshake
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
    try check(request)
    let handshake = try greet(request.security)
    var replies = ReplyStyle.simple
    var contexts: [String] = []
    let export: Export
    switch handshake {
    case .oldstyle:
      export = try oldstyleExport(request.name)
    case .newstyle:
      export = try exportName(request.name)
    case .fixedNewstyle:
      replies = try agreeOnReplies(structured: true, extended: request.extendedHeaders)
      if let told = try facts(of: request, by: .info) {
        if replies != .simple { contexts = try listContexts(of: Array(request.name.utf8)) }
        // Some know the size only of what is attached to (nbd-server 3.24).
        let attached = told.sizeBytes == 0 ? try facts(of: request, by: .go) : nil
        export = attached ?? told
      } else {
        export = try exportWithoutGo(request.name, replies)
      }
    }
    leave()
    return Description(
      export: export, handshake: handshake, replies: replies, contexts: contexts,
      isSecure: isSecure, notes: notes)
  }
}
