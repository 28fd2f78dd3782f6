// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// Requests an export and its properties in one step (proto.md, *Option types*, `NBD_OPT_GO`,
/// `NBD_OPT_INFO`).
extension Negotiation {
  /// Attaches to an export, or queries it; returns nil if the server does not know the option (N-034,
  /// N-072).
  ///
  /// If a server insists on block sizes, they are requested after all (N-036).
  mutating func facts(
    of request: ExportRequest, by option: NegotiationOption
  ) throws(NegotiationError) -> Export? {
    do {
      return try ask(option, about: Array(request.name.utf8), request.information)
    } catch {
      switch error.reason {
      case .refused(.unknown):
        throw absence(of: request.name, error.serverText)
      case .refused(.blockSizeRequired) where !request.keepsBlockSizes:
        var insisted = request
        insisted.keepsBlockSizes = true
        return try facts(of: insisted, by: option)
      default:
        throw error
      }
    }
  }

  /// Sends GO or INFO, whose replies are the same; returns nil if the server does not know the option
  /// (N-070 to N-075, N-095 to N-097).
  mutating func ask(
    _ option: NegotiationOption, about name: [UInt8], _ wanted: [InformationType]
  ) throws(NegotiationError) -> Export? {
    var data: [UInt8] = []
    data.append(text: name)
    data.append(number: UInt16(wanted.count))
    for type in wanted { data.append(number: type.rawValue) }

    try ask(option, data, expecting: Expectation(.information, atMost: 1024))
    var facts = Facts()
    while true {
      switch try reply() {
      case .data(let length):
        try readInformation(length, into: &facts)
      case .acknowledgement:
        return try settle(String(decoding: name, as: UTF8.self), facts)
      case .refusal(let refusal):
        if refusal.error == .unsupported { return nil }
        throw failure(refusal)
      }
    }
  }

  /// Reads one INFO reply (N-076 to N-080, N-084 to N-088, N-090, N-093).
  private mutating func readInformation(
    _ length: UInt32, into facts: inout Facts
  ) throws(NegotiationError) {
    let awaited = "the information about the export"
    guard length >= 2 else { throw failure(.informationTooShort(length)) }
    let type = InformationType(rawValue: try read(awaited))
    let rest = Int(length) - 2
    switch type {
    case .export:
      guard rest == 10 else { throw failure(.informationLength(.export, length)) }
      let size: UInt64 = try read(awaited)
      let flags = TransmissionFlags(rawValue: try read(awaited))
      guard size <= Export.largestSize else { throw failure(.unaddressableSize(size)) }
      try settle(&facts.size, size, .export)
      try settle(&facts.flags, flags, .export)
    case .blockSize:
      guard rest == 12 else { throw failure(.informationLength(.blockSize, length)) }
      let sizes = BlockSizes(
        minimum: try read(awaited), preferred: try read(awaited), maximumPayload: try read(awaited))
      if let flaw = sizes.flaw { throw failure(.blockSizes(flaw)) }
      try settle(&facts.blockSizes, sizes, .blockSize)
    case .name:
      try settle(&facts.canonicalName, shown(try readText(rest, awaited)), .name)
    case .description:
      try settle(&facts.description, shown(try readText(rest, awaited)), .description)
    case nil:
      try discard(rest, awaited)
    }
  }

  /// Records a property that may be repeated but not contradicted (N-086).
  private func settle<Fact: Equatable>(
    _ known: inout Fact?, _ fact: Fact, _ type: InformationType
  ) throws(NegotiationError) {
    guard known == nil || known == fact else { throw failure(.contradiction(type)) }
    known = fact
  }

  /// Builds an export from what the server sent before its ACK (N-074, N-089, N-091, N-092, N-098).
  private mutating func settle(
    _ name: String, _ facts: Facts
  ) throws(NegotiationError) -> Export {
    guard let size = facts.size, let flags = facts.flags, flags != [] else {
      throw failure(.noExportInformation)
    }
    noteMissingFlag(flags)
    var export = Export(
      name: name, sizeBytes: size, flags: flags, blockSizes: facts.blockSizes,
      canonicalName: facts.canonicalName, description: facts.description)
    if let sizes = facts.blockSizes {
      let preferred = min(max(sizes.preferred, 512), sizes.maximumPayload)
      export.blockSizes?.preferred = preferred
      let tail = size % UInt64(sizes.minimum)
      if tail > 0 {
        export.sizeBytes -= tail
        export.unreachableBytes = tail
        notes.append(
          "the last \(tail) bytes of the export cannot be accessed: its size is \(size) bytes, its"
            + " minimum block size \(sizes.minimum)")
      }
    }
    return export
  }

  /// Adds a warning if the flags lack the one that every server sets (N-091).
  mutating func noteMissingFlag(_ flags: TransmissionFlags) {
    guard !flags.contains(.hasFlags) else { return }
    notes.append("the server did not set the bit HAS_FLAGS; its flags are used all the same")
  }
}

/// What INFO replies have contained so far.
private struct Facts {
  var size: UInt64?
  var flags: TransmissionFlags?
  var blockSizes: BlockSizes?
  var canonicalName: String?
  var description: String?
}
