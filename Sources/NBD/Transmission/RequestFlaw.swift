// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Why a request is not sent: the export does not allow it, or the protocol does not.
package enum RequestFlaw: Sendable, Equatable {
  /// The export is read-only.
  case readOnly
  /// The server does not support the command.
  case notOffered
  /// A flag does not fit the command, the export or the style of the replies.
  case flags(CommandFlags)
  /// The range exceeds the export, whose size in bytes is given.
  case outOfRange(exportSize: UInt64)
  /// Offset or length is not a multiple of this.
  case misaligned(UInt32)
  /// Its length is zero.
  case empty
  /// It is longer than this.
  case tooLong(UInt64)
  /// Its payload has that many bytes, which contradicts its length.
  case payload(Int)
  /// No context was negotiated, or not this one, or it is given twice.
  case contexts
  /// That many are in flight already.
  case tooManyInFlight(Int)
  /// A write in flight changes the same bytes.
  case overlapsWrite
  /// The connection has ended, or is about to.
  case closed

  /// The error number that represents it (T-007).
  package var number: ErrorNumber {
    switch self {
    case .readOnly: .notPermitted
    case .notOffered: .notSupported
    case .closed: .shutdown
    default: .invalid
    }
  }
}

extension Request {
  /// Returns why a request must not be sent under the negotiated terms, if so (T-003 to T-008, T-014).
  package func flaw(under terms: Negotiated, payloadByteCount: Int) -> RequestFlaw? {
    let export = terms.export
    if command == .disconnect { return .notOffered }
    if command.changesData, export.flags.contains(.readOnly) { return .readOnly }
    if let requirement = command.requirement, !export.flags.contains(requirement) {
      return .notOffered
    }
    let excess = flags.subtracting(allowedFlags(under: terms))
    if excess != [] { return .flags(excess) }
    if command.hasRange, let flaw = rangeFlaw(export, terms.replies) { return flaw }
    let payload = command == .write ? length : 0
    if UInt64(payloadByteCount) != payload { return .payload(payloadByteCount) }
    return contextFlaw(terms)
  }

  /// The flags that are allowed for the command (T-003).
  private func allowedFlags(under terms: Negotiated) -> CommandFlags {
    let offered = terms.export.flags
    var allowed: CommandFlags = []
    switch command {
    case .write, .trim:
      if offered.contains(.sendFUA) { allowed.insert(.fua) }
    case .writeZeroes:
      if offered.contains(.sendFUA) { allowed.insert(.fua) }
      allowed.insert(.noHole)
      if offered.contains(.sendFastZero) { allowed.insert(.fastZero) }
    case .read:
      if offered.contains(.sendDF), terms.replies != .simple { allowed.insert(.df) }
    case .blockStatus:
      allowed.insert(.reqOne)
    case .flush, .cache, .disconnect, .resize:
      break
    }
    return allowed
  }

  /// Checks the range, without a sum that could overflow (T-004 to T-006, T-090).
  private func rangeFlaw(_ export: Export, _ replies: ReplyStyle) -> RequestFlaw? {
    if length == 0 { return .empty }
    guard offset <= export.sizeBytes, length <= export.sizeBytes - offset else {
      return .outOfRange(exportSize: export.sizeBytes)
    }
    let block = export.blockSizes?.minimum ?? 1
    guard (offset | length) % UInt64(block) == 0 else { return .misaligned(block) }
    let most =
      switch command {
      case .read, .write: export.largestPayload
      default: replies == .extended ? .max : UInt64(UInt32.max)
      }
    return length <= most ? nil : .tooLong(most)
  }

  /// Checks the contexts of a block status request (T-014, T-079, T-091).
  private func contextFlaw(_ terms: Negotiated) -> RequestFlaw? {
    guard command == .blockStatus else { return contexts.isEmpty ? nil : .contexts }
    guard !terms.contexts.isEmpty else { return .contexts }
    if contexts.isEmpty { return nil }
    guard terms.replies == .extended, terms.export.flags.contains(.blockStatusPayload) else {
      return .notOffered
    }
    let known = Set(terms.contexts.map(\.id))
    guard Set(contexts).count == contexts.count, known.isSuperset(of: contexts) else {
      return .contexts
    }
    return nil
  }
}

extension Export {
  /// The most bytes that one read or write carries: what the server accepts, at most 32 MiB, in whole
  /// minimum blocks (T-005).
  package var largestPayload: UInt64 {
    let usual: UInt64 = 32 << 20
    guard let sizes = blockSizes else { return usual }
    let most = min(usual, UInt64(sizes.maximumPayload))
    return most - most % UInt64(sizes.minimum)
  }
}
