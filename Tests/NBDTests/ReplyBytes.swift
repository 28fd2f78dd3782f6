// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// What a server can send during the transmission, as bytes.
enum Wire {
  static func simple(_ cookie: UInt64, error: UInt32 = 0, _ data: [UInt8] = []) -> [UInt8] {
    hex("67446698") + Server.bytes(error) + bytes(cookie) + data
  }

  /// A chunk; its length is that of the payload unless the header is to say something else.
  static func chunk(
    _ cookie: UInt64, _ type: UInt16, _ payload: [UInt8] = [], last: Bool = false,
    announcing length: UInt32? = nil
  ) -> [UInt8] {
    hex("668e33ef 00") + [last ? 1 : 0] + Array(Server.bytes(UInt32(type)).suffix(2))
      + bytes(cookie) + Server.bytes(length ?? UInt32(payload.count)) + payload
  }

  static func extended(
    _ cookie: UInt64, _ type: UInt16, at offset: UInt64 = 0, _ payload: [UInt8] = [],
    last: Bool = false, announcing length: UInt64? = nil
  ) -> [UInt8] {
    hex("6e8a278c 00") + [last ? 1 : 0] + Array(Server.bytes(UInt32(type)).suffix(2))
      + bytes(cookie) + bytes(offset) + bytes(length ?? UInt64(payload.count)) + payload
  }

  static func data(_ offset: UInt64, _ bytes: [UInt8]) -> [UInt8] { Wire.bytes(offset) + bytes }

  static func hole(_ offset: UInt64, _ length: UInt32) -> [UInt8] {
    bytes(offset) + Server.bytes(length)
  }

  static func error(_ number: UInt32, _ text: String = "", at offset: UInt64? = nil) -> [UInt8] {
    Server.bytes(number) + Array(Server.bytes(UInt32(text.utf8.count)).suffix(2)) + Array(text.utf8)
      + (offset.map { bytes($0) } ?? [])
  }

  static func status(_ context: UInt32, _ extents: [(UInt32, UInt32)]) -> [UInt8] {
    Server.bytes(context) + extents.flatMap { Server.bytes($0.0) + Server.bytes($0.1) }
  }

  static func wideStatus(
    _ context: UInt32, _ extents: [(UInt64, UInt64)], count: UInt32? = nil
  ) -> [UInt8] {
    Server.bytes(context) + Server.bytes(count ?? UInt32(extents.count))
      + extents.flatMap { bytes($0.0) + bytes($0.1) }
  }

  static func bytes(_ number: UInt64) -> [UInt8] {
    Server.bytes(UInt32(number >> 32)) + Server.bytes(UInt32(truncatingIfNeeded: number))
  }
}

/// Terms of a server that can do everything with an export of 1 MiB.
func terms(
  _ replies: ReplyStyle = .simple, size: UInt64 = 1 << 20, flags: TransmissionFlags = everything,
  blockSizes: BlockSizes? = nil, contexts: [MetadataContext] = []
) -> Negotiated {
  Negotiated(
    export: Export(name: "", sizeBytes: size, flags: flags, blockSizes: blockSizes),
    replies: replies, contexts: contexts)
}

let everything: TransmissionFlags = [
  .hasFlags, .sendFlush, .sendFUA, .sendTrim, .sendWriteZeroes, .sendDF, .sendCache, .sendFastZero,
  .sendResize,
]

let allocation = MetadataContext(name: MetadataContext.allocation, id: 1)
let bitmap = MetadataContext(name: "qemu:dirty-bitmap:b0", id: 9)

/// A transmission over a script, whose first request has the cookie 1.
func transmit(
  _ terms: Negotiated, _ script: [UInt8], end: StreamError? = nil, writable: Int = .max,
  mostInFlight: Int = 16
) -> (Transmission<ScriptedStream>, ScriptedStream) {
  let stream = ScriptedStream(script, end: end, writable: writable)
  return (Transmission(terms, over: stream, mostInFlight: mostInFlight, firstCookie: 1), stream)
}

/// One read of 512 bytes at 1024, answered by a script.
func read(
  _ style: ReplyStyle, _ script: [UInt8], flags: CommandFlags = [], end: StreamError? = nil
) throws(TransmissionError) -> [Piece] {
  let (transmission, _) = transmit(terms(style), script, end: end)
  let wanted = Request(.read, offset: 1024, length: 512, flags: flags)
  guard case .data(let pieces) = try transmission.perform(wanted) else { return [] }
  return pieces
}

/// Checks how that read fails.
func expectReadFailure(
  _ style: ReplyStyle, _ script: [UInt8], _ reason: TransmissionError.Reason,
  flags: CommandFlags = [], end: StreamError? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let error = #expect(throws: TransmissionError.self, sourceLocation: sourceLocation) {
    try read(style, script, flags: flags, end: end)
  }
  #expect(error?.reason == reason, sourceLocation: sourceLocation)
}
