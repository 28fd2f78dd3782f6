// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// Sends an option and reads the replies (proto.md, *Fixed newstyle negotiation*).
///
/// The caller reads replies until an acknowledgement or a refusal has arrived (N-022).
extension Negotiation {
  /// Sends an option with `data`, as a step of its own (N-020, N-021).
  ///
  /// `expected` replies may precede the final one; by default none.
  mutating func ask(
    _ option: NegotiationOption, _ data: [UInt8] = [],
    expecting expected: Expectation = Expectation()
  ) throws(NegotiationError) {
    begin(.option(option))
    expectation = expected
    isAnswered = false
    try write(request(option, data))
  }

  /// Sends an option without data; returns nil after an empty ACK, or the refusal (N-040 to N-042).
  mutating func refusal(of option: NegotiationOption) throws(NegotiationError) -> OptionRefusal? {
    try ask(option)
    guard case .refusal(let refusal) = try reply() else { return nil }
    return refusal
  }

  /// Reads one reply to the last option: its header, and the text of a refusal (N-023 to N-026,
  /// N-186).
  mutating func reply() throws(NegotiationError) -> OptionReply {
    let awaited = "the answer"
    let magic: UInt64 = try read(awaited)
    let number: UInt32 = try read(awaited)
    let type: UInt32 = try read(awaited)
    let length: UInt32 = try read(awaited)
    guard magic == Magic.optionReply else { throw failure(.wrongReplyMagic(magic)) }
    guard let option = NegotiationOption(rawValue: number), step == .option(option) else {
      throw failure(.answersOtherOption(number))
    }

    unread = Int(length)
    isAnswered = type & OptionError.bit != 0 || type == ReplyType.acknowledgement.rawValue
    if type & OptionError.bit != 0 {
      return .refusal(try readRefusal(type, length))
    }
    if type == ReplyType.acknowledgement.rawValue {
      // The ACK of GO begins the transmission, in which options are not understood (N-094).
      if option == .go { canAbort = false }
      guard length == 0 else { throw failure(.acknowledgementWithData(length)) }
      return .acknowledgement
    }
    guard type == expectation.type?.rawValue else { throw failure(.unexpectedReply(type)) }
    if let excess = expectation.spend(length) { throw failure(excess) }
    return .data(length)
  }

  /// Reads the remaining replies to an option after an unusable one (N-161).
  mutating func finishReply() throws(NegotiationError) {
    while true {
      try discard(unread, "the rest of the answer")
      if isAnswered { return }
      _ = try reply()
    }
  }

  /// Continues without a refused option, unless the refusal concerns the connection (N-035, N-062).
  func tolerate(_ refusal: OptionRefusal) throws(NegotiationError) {
    switch refusal.error {
    case .shutdown, .tlsRequired: throw failure(refusal)
    default: return
    }
  }

  /// Returns the failure that the refusal of a required option means (N-030 to N-037, N-055).
  func failure(_ refusal: OptionRefusal) -> NegotiationError {
    guard let error = refusal.error else {
      return failure(.refusedWithUnknownError(refusal.type), serverText: refusal.text)
    }
    // In reply to STARTTLS, or inside TLS, this makes no sense (N-056).
    if error == .tlsRequired, isSecure || step == .option(.startTLS) {
      return failure(.tlsRequiredInsideTLS, serverText: refusal.text)
    }
    return failure(.refused(error), serverText: refusal.text)
  }

  /// Sends an ABORT if the server would understand it, without waiting (N-039).
  mutating func sayGoodbye() {
    guard canAbort else { return }
    canAbort = false
    try? stream.write(request(.abort, []))
  }

  /// Ends the connection with ABORT or a disconnect request, and ignores errors (N-039, N-163, N-167).
  mutating func leave() {
    guard !canAbort else { return sayGoodbye() }
    try? stream.write(RequestHeader.disconnect(.simple))
  }

  /// Reads the text of a refusal unless it is absurdly long (N-027, N-028, N-038).
  private mutating func readRefusal(
    _ type: UInt32, _ length: UInt32
  ) throws(NegotiationError) -> OptionRefusal {
    guard length <= 65536 else { throw failure(.refusalTooLong(type, length: length)) }
    let awaited = "the text of its refusal \(ReplyType.description(of: type))"
    let text = try readText(Int(length), awaited)
    return OptionRefusal(type: type, text: text.isEmpty ? nil : shown(text))
  }

  func request(_ option: NegotiationOption, _ data: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(number: Magic.option)
    bytes.append(number: option.rawValue)
    bytes.append(number: UInt32(data.count))
    return bytes + data
  }
}

/// One reply to an option.
enum OptionReply {
  case acknowledgement
  case refusal(OptionRefusal)
  /// A reply of the expected type; that many bytes follow and are still unread.
  case data(UInt32)
}

/// A server's refusal of an option.
struct OptionRefusal {
  /// The reply's type, with the error bit.
  var type: UInt32
  /// What the server said about it, safe to display.
  var text: String?

  /// The error, if it is a known one.
  var error: OptionError? { OptionError(rawValue: type) }
}

/// Which replies an option may get before the final one, and how many (N-096, N-170, N-182).
struct Expectation {
  static let mostBytes = 16 << 20

  let type: ReplyType?
  private let mostReplies: Int
  private var replies = 0
  private var bytes = 0

  init(_ type: ReplyType? = nil, atMost replies: Int = 0) {
    self.type = type
    mostReplies = replies
  }

  /// Counts a reply of `length` bytes; returns the limit that it exceeds.
  mutating func spend(_ length: UInt32) -> NegotiationError.Reason? {
    replies += 1
    bytes += Int(length)
    guard replies <= mostReplies else { return .tooManyReplies(limit: mostReplies) }
    guard bytes <= Expectation.mostBytes else { return .tooManyBytes(limit: Expectation.mostBytes) }
    return nil
  }
}
