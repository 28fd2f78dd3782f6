// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Asks the server at the other end of `stream` for the export called `name`.
///
/// The empty name is the server's default export; `details` asks for the canonical name and the
/// description as well. Nothing may have been read from the stream before. On success its next byte
/// belongs to the transmission; on failure the caller closes it, a courtesy ABORT has gone out where
/// the protocol wants one (N-181).
package func negotiate(
  _ name: String, details: Bool = false, over stream: some ByteStream
) throws(NegotiationError) -> Negotiated {
  var negotiation = Negotiation(stream: stream)
  do {
    return try negotiation.agree(on: name, details: details)
  } catch {
    negotiation.sayGoodbye()
    throw error
  }
}

/// What a negotiation ended with.
package struct Negotiated: Sendable {
  /// What to attach to.
  package var export: Export
  /// The style of the server.
  package var handshake: Handshake
  /// What the server did that is worth a warning and no failure, a sentence each.
  package var notes: [String]
}

/// The style of a server, which its greeting shows (N-009).
package enum Handshake: Sendable {
  /// One export without a name, and no options.
  case oldstyle
  /// EXPORT_NAME is the only option.
  case newstyle
  /// Every option gets a reply.
  case fixedNewstyle
}

/// A negotiation under way.
struct Negotiation<Stream: ByteStream> {
  let stream: Stream

  /// Where the negotiation is; failures name it.
  private(set) var step = NegotiationError.Step.greeting

  /// Whether the server would understand an ABORT: from the client flags of a fixed newstyle server
  /// until the last option, on a stream that still works (B.10, N-181).
  var canAbort = false

  /// Whether 124 bytes without meaning follow the facts of the export (N-008).
  var reservedBlockFollows = true

  /// What the server may send in reply to the current option.
  var expectation = Expectation()

  var notes: [String] = []

  init(stream: Stream) {
    self.stream = stream
  }

  /// The negotiation from the first byte to the last.
  mutating func agree(on name: String, details: Bool) throws(NegotiationError) -> Negotiated {
    if let flaw = NameFlaw(in: Array(name.utf8)) { throw failure(.unusableName(name, flaw)) }

    let handshake = try greet()
    let export: Export
    switch handshake {
    case .oldstyle:
      export = try readOldstyleHeader(name)
    case .newstyle:
      export = try exportName(name)
    case .fixedNewstyle:
      if let answer = try go(name, details: details) {
        export = answer
      } else {
        try lookUp(name)
        export = try exportName(name)
      }
    }
    return Negotiated(export: export, handshake: handshake, notes: notes)
  }

  /// Enters a step, with a deadline of its own (N-011, N-180).
  mutating func begin(_ step: NegotiationError.Step) {
    self.step = step
    stream.beginStep()
  }

  func failure(_ reason: NegotiationError.Reason, serverText: String? = nil) -> NegotiationError {
    NegotiationError(step: step, reason: reason, serverText: serverText)
  }

  /// Reads exactly `count` bytes, which failures call `awaited`.
  mutating func read(
    _ count: Int, _ awaited: @autoclosure () -> String
  ) throws(NegotiationError) -> [UInt8] {
    do {
      return try stream.read(count)
    } catch {
      // After an orderly end the other direction may still be open.
      if case .ended = error {} else { canAbort = false }
      throw failure(.receiving(error, awaiting: awaited()))
    }
  }

  /// Reads a number, most significant byte first.
  mutating func read<Value: FixedWidthInteger & UnsignedInteger>(
    _ awaited: @autoclosure () -> String
  ) throws(NegotiationError) -> Value {
    try read(Value.bitWidth / 8, awaited()).reduce(0) { $0 << 8 | Value($1) }
  }

  /// Reads text: as much as a string may have and one byte more, by which it is known to be too long;
  /// what follows is dropped (N-182, N-183).
  mutating func readText(
    _ length: Int, _ awaited: @autoclosure () -> String
  ) throws(NegotiationError) -> [UInt8] {
    let text = try read(min(length, longestString + 1), awaited())
    try discard(length - text.count, awaited())
    return text
  }

  /// Reads bytes nobody wants, in pieces (N-182).
  mutating func discard(
    _ count: Int, _ awaited: @autoclosure () -> String
  ) throws(NegotiationError) {
    var left = count
    while left > 0 {
      left -= try read(min(left, 65536), awaited()).count
    }
  }

  mutating func write(_ bytes: [UInt8]) throws(NegotiationError) {
    do {
      try stream.write(bytes)
    } catch {
      canAbort = false
      throw failure(.sending(error))
    }
  }
}

extension [UInt8] {
  /// Appends a number, most significant byte first.
  mutating func append(number: some FixedWidthInteger & UnsignedInteger) {
    for shift in stride(from: number.bitWidth - 8, through: 0, by: -8) {
      append(UInt8(truncatingIfNeeded: number >> shift))
    }
  }
}
