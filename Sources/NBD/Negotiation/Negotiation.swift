// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Asks the server at the other end of `stream` for an export.
///
/// Nothing may have been read from the stream before. On success its next byte belongs to the
/// transmission; on failure the caller closes it, a courtesy ABORT has gone out where the protocol
/// wants one (N-181).
package func negotiate(
  _ request: ExportRequest, over stream: some ByteStream
) throws(NegotiationError) -> Negotiated {
  try Negotiation.run(over: stream) { (negotiation) throws(NegotiationError) in
    try negotiation.agree(on: request)
  }
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

  /// How much of the current reply's data is still to be read, and whether the final reply came.
  var unread = 0
  var isAnswered = true

  var notes: [String] = []

  private var keptBytes = 0

  /// Whether the stream has turned to TLS.
  var isSecure = false

  /// What is not asked for, because the server hangs up when it is.
  let avoided: Set<NegotiationOption>

  private init(stream: Stream, avoiding avoided: Set<NegotiationOption>) {
    self.stream = stream
    self.avoided = avoided
    notes = avoided.sorted { $0.rawValue < $1.rawValue }.map {
      "the server hung up on option \($0.name), and was asked again without it"
    }
  }

  /// Runs a conversation to its end; one that fails ends in a courtesy where that is wanted (N-181).
  ///
  /// A server that hangs up on an option that is not essential gets another connection, and is not asked
  /// for that again: it should have refused it, but there are such servers.
  static func run<Outcome>(
    over stream: Stream,
    _ conversation: (inout Negotiation) throws(NegotiationError) -> Outcome
  ) throws(NegotiationError) -> Outcome {
    var avoided: Set<NegotiationOption> = []
    while true {
      var negotiation = Negotiation(stream: stream, avoiding: avoided)
      do {
        return try conversation(&negotiation)
      } catch {
        negotiation.sayGoodbye()
        guard let option = error.optionHungUpOn, avoided.insert(option).inserted, stream.restart()
        else { throw error }
      }
    }
  }

  /// The negotiation from the first byte to the last, in the order that the protocol wants (N-131).
  mutating func agree(on request: ExportRequest) throws(NegotiationError) -> Negotiated {
    var contexts: [MetadataContext] = []
    let (export, handshake, replies) = try reach(
      request, structured: request.structuredReplies || !request.contexts.isEmpty
    ) { (negotiation, replies) throws(NegotiationError) in
      if replies != .simple, !request.contexts.isEmpty {
        contexts = try negotiation.setContexts(request.contexts, of: request.name)
      }
      return try negotiation.facts(of: request, by: .go)
    }
    return Negotiated(
      export: export, handshake: handshake, replies: replies, contexts: contexts,
      isSecure: isSecure, notes: notes)
  }

  /// The way from the first byte to the facts of an export, by the server's style.
  ///
  /// At a fixed newstyle server `options` asks for them; nil: the server does not know that option.
  mutating func reach(
    _ request: ExportRequest, structured: Bool,
    options: (inout Negotiation, ReplyStyle) throws(NegotiationError) -> Export?
  ) throws(NegotiationError) -> (Export, HandshakeStyle, ReplyStyle) {
    try check(request)
    let handshake = try greet(request.security)
    switch handshake {
    case .oldstyle: return (try oldstyleExport(request.name), handshake, .simple)
    case .newstyle: return (try exportName(request.name), handshake, .simple)
    case .fixedNewstyle:
      let replies = try agreeOnReplies(
        structured: structured, extended: request.extendedHeaders)
      if let export = try options(&self, replies) { return (export, handshake, replies) }
      return (try exportWithoutGo(request.name, replies), handshake, replies)
    }
  }

  /// Refuses what cannot be asked for, before anything is read or sent (N-113).
  private func check(_ request: ExportRequest) throws(NegotiationError) {
    if let flaw = NameFlaw(in: Array(request.name.utf8)) {
      throw failure(.unusableName(request.name, flaw))
    }
  }

  /// The way to an export that GO does not lead to, where what was agreed before holds (N-100, N-112).
  ///
  /// With extended headers that way is closed (N-064).
  private mutating func exportWithoutGo(
    _ name: String, _ replies: ReplyStyle
  ) throws(NegotiationError) -> Export {
    guard replies != .extended else { throw failure(.extendedHeadersWithoutGo) }
    try lookUp(name)
    return try exportName(name)
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
      let bytes = try stream.read(count)
      unread -= min(unread, count)
      return bytes
    } catch {
      // After an orderly end the other direction may still be open.
      if case .ended = error {} else { canAbort = false }
      throw lateVerdict(error) ?? failure(.receiving(error, awaiting: awaited()))
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

  /// Takes into account text that is kept, of which a list has no end of its own (N-145, N-170).
  mutating func keep(_ text: String?) throws(NegotiationError) {
    keptBytes += text?.utf8.count ?? 0
    guard keptBytes <= Expectation.mostBytes else {
      throw failure(.tooManyBytes(limit: Expectation.mostBytes))
    }
  }

  mutating func write(_ bytes: [UInt8]) throws(NegotiationError) {
    do {
      try stream.write(bytes)
    } catch {
      canAbort = false
      throw lateVerdict(error) ?? failure(.sending(error))
    }
  }

  /// A failure of the TLS handshake that shows when it seemed to be over, as a server's refusal of
  /// the client does (N-052).
  private mutating func lateVerdict(_ error: StreamError) -> NegotiationError? {
    guard case .handshakeFailed = error else { return nil }
    canAbort = false
    return NegotiationError(step: .tls, reason: .securing(error))
  }
}

extension [UInt8] {
  /// Appends a number, most significant byte first.
  mutating func append(number: some FixedWidthInteger & UnsignedInteger) {
    for shift in stride(from: number.bitWidth - 8, through: 0, by: -8) {
      append(UInt8(truncatingIfNeeded: number >> shift))
    }
  }

  /// Appends text after its length.
  mutating func append(text: [UInt8]) {
    append(number: UInt32(text.count))
    append(contentsOf: text)
  }
}
