// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The two older ways to select an export, in which its size and flags arrive as bare bytes
/// (proto.md, *Option types*, `NBD_OPT_EXPORT_NAME`; *Oldstyle negotiation*).
extension Negotiation {
  /// Requests the export with EXPORT_NAME, whose only reply is the size and flags (N-105 to N-111).
  mutating func exportName(_ name: String) throws(NegotiationError) -> Export {
    begin(.exportName)
    canAbort = false
    try write(request(.exportName, Array(name.utf8)))
    let size: UInt64
    do {
      size = try read("the size of the export")
    } catch {
      // A server that has begun to reply has not refused.
      if case .receiving(.ended(received: 0), _) = error.reason {
        throw failure(.hungUpOnName(name))
      }
      throw error
    }
    let flags = TransmissionFlags(rawValue: try read("the flags of the export"))
    guard size != Magic.optionReply else { throw failure(.replyInPlaceOfExport) }
    let export = try export(name, size, flags)
    try skipReservedBlock()
    return export
  }

  /// Reads what an oldstyle server sends after its two magics (N-120 to N-125).
  mutating func oldstyleExport(_ name: String) throws(NegotiationError) -> Export {
    let export = try oldstyleFacts(name)
    try skipReservedBlock()
    return export
  }

  /// Reads the size and flags of an oldstyle server's export (N-120 to N-122).
  mutating func oldstyleFacts(_ name: String) throws(NegotiationError) -> Export {
    begin(.oldstyleHeader)
    guard name.isEmpty else { throw failure(.noNamedExports(name)) }
    let size: UInt64 = try read("the size of the export")
    let flags: UInt32 = try read("the flags of the export")
    guard let known = UInt16(exactly: flags) else { throw failure(.unknownUpperFlags(flags)) }
    return try export(name, size, TransmissionFlags(rawValue: known))
  }

  /// Skips the reserved bytes that may follow, whatever their values (N-008, N-107, N-108, N-123).
  mutating func skipReservedBlock() throws(NegotiationError) {
    if reservedBlockFollows { try discard(124, "the reserved block") }
  }

  /// Checks the size and the flags (N-090, N-091, N-111).
  private mutating func export(
    _ name: String, _ size: UInt64, _ flags: TransmissionFlags
  ) throws(NegotiationError) -> Export {
    guard size <= Export.largestSize else { throw failure(.unaddressableSize(size)) }
    guard flags != [] else { throw failure(.noFlags) }
    noteMissingFlag(flags)
    return Export(name: name, sizeBytes: size, flags: flags)
  }
}
