// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// Lists all exports of the server at the other end of `stream`, and queries each of them.
///
/// Nothing may have been read from the stream before, and the caller closes it (N-164). One export
/// that the server cannot describe does not affect the others, but a partial list is a failure (N-169).
///
/// An export of reported size 0 is attached on a connection of its own, as long as that works: some
/// servers know the size only then (nbd-server 3.24).
package func listExports(
  security: Security = .none, over stream: some ByteStream
) throws(NegotiationError) -> [ListedExport] {
  var exports = try Negotiation.run(over: stream) { (negotiation) throws(NegotiationError) in
    try negotiation.listExports(security)
  }
  for index in exports.indices {
    guard case .success(let told) = exports[index].information, told.sizeBytes == 0
    else { continue }
    guard stream.restart() else { break }
    do throws(NegotiationError) {
      let attached = try Negotiation.run(over: stream) { (negotiation) throws(NegotiationError) in
        try negotiation.attach(told.name, security)
      }
      if let attached { exports[index].information = .success(attached) }
    } catch {
      guard error.concernsOneExport else { break }
      exports[index].information = .failure(error)
    }
  }
  return exports
}

/// An export in a server's list.
package struct ListedExport: Sendable {
  /// Its name as the server sent it, arbitrary bytes.
  package var nameBytes: [UInt8]
  /// Its description as the server sent it, up to one byte more than a string may have.
  package var descriptionBytes: [UInt8] = []
  /// The export, or why the server did not describe it; nil if it describes none (N-160, N-161).
  package var information: Result<Export, NegotiationError>?
  /// Its metadata contexts, safe to display.
  package var contexts: [String] = []

  /// Its name, safe to display (N-172).
  package var name: String { shown(nameBytes) }
  /// Returns its URI, given the URI of the server; nil if no URI can name it.
  package func uri(on server: URI) -> URI? {
    guard NameFlaw(in: nameBytes) == nil else { return nil }
    var uri = server
    uri.exportName = String(decoding: nameBytes, as: UTF8.self)
    return uri
  }

  /// Its description, safe to display, if it has one (N-153, N-172).
  package var description: String? { descriptionBytes.isEmpty ? nil : shown(descriptionBytes) }
}

extension Negotiation {
  /// The listing from the first byte to the last (N-060, N-163, N-165 to N-168).
  mutating func listExports(_ security: Security) throws(NegotiationError) -> [ListedExport] {
    switch try greet(security) {
    case .oldstyle:
      let export = try oldstyleFacts("")
      // Everything is known: it does not matter whether the rest arrives (N-167).
      if (try? skipReservedBlock()) != nil { leave() }
      return [ListedExport(nameBytes: [], information: .success(export))]
    case .newstyle:
      throw failure(.cannotList)
    case .fixedNewstyle:
      let replies = try agreeOnReplies(structured: true, extended: false)
      var exports = try list()
      try describe(&exports, withContexts: replies != .simple)
      leave()
      return exports
    }
  }

  /// Attaches to an export and disconnects; returns nil if the server does not know GO.
  mutating func attach(
    _ name: String, _ security: Security
  ) throws(NegotiationError) -> Export? {
    guard try greet(security) == .fixedNewstyle else { return nil }
    let export = try facts(of: ExportRequest(name), by: .go)
    leave()
    return export
  }

  /// Queries each export until the server turns out not to support INFO (N-159 to N-162).
  private mutating func describe(
    _ exports: inout [ListedExport], withContexts: Bool
  ) throws(NegotiationError) {
    for index in exports.indices {
      let name = exports[index].nameBytes
      do throws(NegotiationError) {
        if let flaw = NameFlaw(in: name) { throw failure(.unusableName(shown(name), flaw)) }
        guard let export = try ask(.info, about: name, [.blockSize]) else { return }
        try keep(export.canonicalName)
        try keep(export.description)
        exports[index].information = .success(export)
      } catch {
        guard error.concernsOneExport, unread <= Expectation.mostBytes else { throw error }
        try finishReply()
        exports[index].information = .failure(error)
        continue
      }
      if withContexts { exports[index].contexts = try listContexts(of: name) }
    }
  }
}

extension NegotiationError {
  /// Whether another export can be queried because the two sides are still in step (N-161).
  fileprivate var concernsOneExport: Bool {
    switch reason {
    case .refused(.shutdown): false
    case .refused, .refusedWithUnknownError, .unusableName, .acknowledgementWithData,
      .informationTooShort, .informationLength, .contradiction, .noExportInformation,
      .unaddressableSize, .blockSizes:
      true
    default: false
    }
  }
}
