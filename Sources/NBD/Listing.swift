// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// Asks the server at the other end of `stream` for all of its exports, and about each of them.
///
/// Nothing may have been read from the stream before, and the caller closes it (N-164). One export
/// that cannot be told about does not spoil the others, but there is no list in part (N-169).
package func listExports(
  security: Security = .none, over stream: some ByteStream
) throws(NegotiationError) -> [ListedExport] {
  try Negotiation.run(over: stream) { (negotiation) throws(NegotiationError) in
    try negotiation.listExports(security)
  }
}

/// An export in a server's list.
package struct ListedExport: Sendable {
  /// Its name as the server has it, bytes of any content.
  package var nameBytes: [UInt8]
  /// Its description as the server has it, up to one byte more than a text may have.
  package var descriptionBytes: [UInt8] = []
  /// What the export is, or why the server did not tell; nil where it tells of none (N-160, N-161).
  package var information: Result<Export, NegotiationError>?
  /// The metadata contexts that it has, fit to be shown.
  package var contexts: [String] = []

  /// Its name, fit to be shown (N-172).
  package var name: String { shown(nameBytes) }
  /// Its description, fit to be shown, if it has one (N-153, N-172).
  package var description: String? { descriptionBytes.isEmpty ? nil : shown(descriptionBytes) }
}

extension Negotiation {
  /// The listing from the first byte to the last (N-060, N-163, N-165 to N-168).
  mutating func listExports(_ security: Security) throws(NegotiationError) -> [ListedExport] {
    switch try greet(security) {
    case .oldstyle:
      let export = try oldstyleFacts("")
      // All is known: whether the rest comes does not matter (N-167).
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

  /// Asks about each export, until the server turns out not to know how to tell (N-159 to N-162).
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
  /// Whether the server can be asked about another export, being still in step (N-161).
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
