// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// Lists the names of a server's exports (proto.md, *Option types*, `NBD_OPT_LIST`).
extension Negotiation {
  /// Reads the whole list; a refusal is a failure even after some entries (N-150 to N-158, N-170,
  /// N-171).
  mutating func list() throws(NegotiationError) -> [ListedExport] {
    try ask(.list, expecting: Expectation(.server, atMost: 10_000))
    var exports: [ListedExport] = []
    while true {
      switch try reply() {
      case .data(let length): exports.append(try readEntry(length))
      case .acknowledgement: return exports
      case .refusal(let refusal): throw failure(refusal)
      }
    }
  }

  /// Looks for a name in the list if the server does not know GO, so that the message for a missing
  /// export is clear.
  ///
  /// The list is only a hint: without one, EXPORT_NAME decides (N-100 to N-104). The default export
  /// need not be listed.
  mutating func lookUp(_ name: String) throws(NegotiationError) {
    let names: [[UInt8]]
    do {
      names = try list().map(\.nameBytes)
    } catch {
      switch error.reason {
      case .refused(.shutdown): throw error
      case .refused, .refusedWithUnknownError: return
      default: throw error
      }
    }
    guard !name.isEmpty, !names.isEmpty, !names.contains(Array(name.utf8)) else { return }
    throw failure(.unknownExport(name, among: names))
  }

  /// Returns the failure for an export that GO does not find (N-034), with the available names if the
  /// server lists them.
  ///
  /// A server may list an export that it cannot open; then the names do not help.
  mutating func absence(of name: String, _ serverText: String?) -> NegotiationError {
    var failure = failure(.refused(.unknown), serverText: serverText)
    let names = (try? list())?.map(\.nameBytes) ?? []
    if !names.isEmpty, !names.contains(Array(name.utf8)) {
      failure.reason = .unknownExport(name, among: names)
    }
    return failure
  }

  /// Reads an entry: a name, and the description in the rest (N-151 to N-153, N-156).
  private mutating func readEntry(_ length: UInt32) throws(NegotiationError) -> ListedExport {
    let awaited = "an entry of the list"
    guard length >= 4 else { throw failure(.listEntryTooShort(length)) }
    let nameLength: UInt32 = try read(awaited)
    guard nameLength <= length - 4 else {
      throw failure(.listedNameTooLong(nameLength, entry: length))
    }
    return ListedExport(
      nameBytes: try readText(Int(nameLength), awaited),
      descriptionBytes: try readText(Int(length - 4 - nameLength), awaited))
  }
}

extension NegotiationError.Reason {
  /// The failure for a missing export, with a few of the available names.
  static func unknownExport(_ name: String, among names: [[UInt8]]) -> Self {
    let few = names.prefix(16).map { "'\(shown($0, limit: 256))'" }
    return .unknownExport(name, available: few, more: names.count - few.count)
  }
}
