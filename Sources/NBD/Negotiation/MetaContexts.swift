// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// Selects and lists metadata contexts (proto.md, *Option types*, `NBD_OPT_SET_META_CONTEXT`,
/// `NBD_OPT_LIST_META_CONTEXT`).
extension Negotiation {
  /// Selects contexts; those that the server does not have are left out (N-130 to N-142, N-147).
  ///
  /// A refusal voids what came before it (N-140), and GO reports its reason better (N-141).
  mutating func setContexts(
    _ names: [String], of export: String
  ) throws(NegotiationError) -> [MetadataContext] {
    guard !avoided.contains(.setMetaContext) else { return [] }
    let wanted = names.map { Array($0.utf8) }
    try ask(.setMetaContext, about: Array(export.utf8), queries: wanted)
    var ids: [[UInt8]: UInt32] = [:]
    var stranger: [UInt8]?
    while true {
      switch try reply() {
      case .data(let length):
        let (id, name) = try readContext(length)
        if wanted.contains(name) {
          try settle(id, name, &ids)
        } else {
          stranger = stranger ?? name
        }
      case .acknowledgement:
        if let stranger { noteStranger(stranger, names) }
        return names.compactMap { name in
          ids[Array(name.utf8)].map { MetadataContext(name: name, id: $0) }
        }
      case .refusal(let refusal):
        try tolerate(refusal)
        return []
      }
    }
  }

  /// Lists the contexts of an export, as text safe to display; returns none if the server refuses
  /// (N-143, N-145, N-146).
  ///
  /// A server may leave out contexts that begin with "qemu:" unless they are requested (N-144).
  mutating func listContexts(of export: [UInt8]) throws(NegotiationError) -> [String] {
    var names = try contexts(of: export, queries: [])
    if !names.isEmpty, !names.contains(where: { $0.hasPrefix("qemu:") }) {
      names += try contexts(of: export, queries: [Array("qemu:".utf8)])
    }
    return names
  }

  /// Requests contexts; a name without a colon is not a context (N-149).
  private mutating func contexts(
    of export: [UInt8], queries: [[UInt8]]
  ) throws(NegotiationError) -> [String] {
    guard !avoided.contains(.listMetaContext) else { return [] }
    try ask(.listMetaContext, about: export, queries: queries)
    var names: [String] = []
    while true {
      switch try reply() {
      case .data(let length):
        let name = shown(try readContext(length).name)
        if name.contains(":") {
          try keep(name)
          names.append(name)
        } else if notes.count < 16 {
          notes.append("the server lists '\(name)', which is no metadata context")
        }
      case .acknowledgement:
        return names
      case .refusal(let refusal):
        try tolerate(refusal)
        return []
      }
    }
  }

  private mutating func ask(
    _ option: NegotiationOption, about export: [UInt8], queries: [[UInt8]]
  ) throws(NegotiationError) {
    var data: [UInt8] = []
    data.append(text: export)
    data.append(number: UInt32(queries.count))
    for query in queries { data.append(text: query) }
    try ask(option, data, expecting: Expectation(.metaContext, atMost: 1024))
  }

  /// Reads one context; if it ends early, no ABORT is sent (N-134, N-135).
  private mutating func readContext(
    _ length: UInt32
  ) throws(NegotiationError) -> (id: UInt32, name: [UInt8]) {
    guard length > 4, length <= 4 + UInt32(longestString) else {
      throw failure(.contextLength(length))
    }
    canAbort = false
    let id: UInt32 = try read("a metadata context")
    let name = try read(Int(length) - 4, "a metadata context")
    canAbort = true
    return (id, name)
  }

  /// Records the id of a context; names and ids must correspond one to one (N-137, N-148).
  private func settle(
    _ id: UInt32, _ name: [UInt8], _ ids: inout [[UInt8]: UInt32]
  ) throws(NegotiationError) {
    let known = ids[name]
    guard known == nil || known == id else { throw failure(.contextTwice(shown(name))) }
    guard known == id || !ids.values.contains(id) else { throw failure(.contextsShareID(id)) }
    ids[name] = id
  }

  /// Adds a note about a context that was not requested; it is not used (N-136).
  private mutating func noteStranger(_ name: [UInt8], _ wanted: [String]) {
    let asked = wanted.map { "'\(shown($0))'" }.joined(separator: ", ")
    notes.append("asked for the metadata context \(asked) the server answered '\(shown(name))' too")
  }
}
