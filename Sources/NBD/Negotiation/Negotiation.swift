// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Negotiates an export with the server at the other end of `stream`.
///
/// Nothing may have been read from the stream before. On success its next byte belongs to the
/// transmission; on failure the caller closes it, and an ABORT has been sent if the protocol calls
/// for one (N-181).
package func negotiate(
  _ request: ExportRequest, over stream: some ByteStream
) throws(NegotiationError) -> Negotiated {
  try Negotiation.run(over: stream) { (negotiation) throws(NegotiationError) in
    try negotiation.agree(on: request)
  }
}

/// A negotiation in progress.
struct Negotiation<Stream: ByteStream> {
  let stream: Stream

  /// The current step, which failures report.
  private(set) var step = NegotiationError.Step.greeting

  /// Whether the server would understand an ABORT: from the client flags of a fixed newstyle server
  /// until the last option, on a stream that still works (B.10, N-181).
  var canAbort = false

  /// Whether 124 reserved bytes follow the size and flags of the export (N-008).
  var reservedBlockFollows = true

  /// What the server may send in reply to the current option.
  var expectation = Expectation()

  /// How much of the current reply's data is unread, and whether the final reply has arrived.
  var unread = 0
  var isAnswered = true

  var notes: [String] = []

  private var keptBytes = 0

  /// Whether the stream has switched to TLS.
  var isSecure = false

  /// Options that are not sent because the server hangs up on them.
  let avoided: Set<NegotiationOption>

  private init(stream: Stream, avoiding avoided: Set<NegotiationOption>) {
    self.stream = stream
    self.avoided = avoided
    notes = avoided.sorted { $0.rawValue < $1.rawValue }.map {
      "the server hung up on option \($0.name), and was asked again without it"
    }
  }

  /// Runs an exchange to its end; if it fails, sends an ABORT where that is appropriate (N-181).
  ///
  /// If a server hangs up on an optional option, the negotiation is repeated on a new connection without
  /// that option: the server should have refused it, but some servers hang up instead.
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

  /// Negotiates from the first byte to the last, in the order that the protocol requires (N-131).
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

  /// Negotiates from the first byte to the properties of an export, as the server's style requires.
  ///
  /// With a fixed newstyle server, `options` requests them; nil if the server does not know the option.
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

  /// Rejects an impossible request before anything is read or sent (N-113).
  private func check(_ request: ExportRequest) throws(NegotiationError) {
    if let flaw = NameFlaw(in: Array(request.name.utf8)) {
      throw failure(.unusableName(request.name, flaw))
    }
  }

  /// Requests an export without GO; what was agreed before still holds (N-100, N-112).
  ///
  /// With extended headers this is not possible (N-064).
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

  /// Reads exactly `count` bytes; failures describe them as `awaited`.
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

  /// Reads text: at most one byte more than a string may have, which shows that it is too long; the rest
  /// is discarded (N-182, N-183).
  mutating func readText(
    _ length: Int, _ awaited: @autoclosure () -> String
  ) throws(NegotiationError) -> [UInt8] {
    let text = try read(min(length, longestString + 1), awaited())
    try discard(length - text.count, awaited())
    return text
  }

  /// Reads and discards bytes, in pieces (N-182).
  mutating func discard(
    _ count: Int, _ awaited: @autoclosure () -> String
  ) throws(NegotiationError) {
    var left = count
    while left > 0 {
      left -= try read(min(left, 65536), awaited()).count
    }
  }

  /// Counts text that is kept, because a list has no limit of its own (N-145, N-170).
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

  /// Returns the failure of a TLS handshake that appears only after it seemed complete, such as a server's
  /// rejection of the client (N-052).
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
