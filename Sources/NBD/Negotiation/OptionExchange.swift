// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// Asking for an option and reading what comes back (proto.md, *Fixed newstyle negotiation*).
///
/// Whoever asks reads replies until an acknowledgement or a refusal has come (N-022).
extension Negotiation {
  /// Sends an option, as a step of its own, with `data` (N-020, N-021).
  ///
  /// What is `expected` may come before the final reply, by default nothing.
  mutating func ask(
    _ option: NegotiationOption, _ data: [UInt8] = [],
    expecting expected: Expectation = Expectation()
  ) throws(NegotiationError) {
    begin(.option(option))
    expectation = expected
    isAnswered = false
    try write(request(option, data))
  }

  /// Asks for an option that has no data, which is granted with an empty ACK, or refused (N-040 to
  /// N-042).
  mutating func refusal(of option: NegotiationOption) throws(NegotiationError) -> OptionRefusal? {
    try ask(option)
    guard case .refusal(let refusal) = try reply() else { return nil }
    return refusal
  }

  /// Reads one reply to the option that was asked last: its header, and of a refusal its text
  /// (N-023 to N-026, N-186).
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
      // The ACK of GO begins the transmission, where no option is understood (N-094).
      if option == .go { canAbort = false }
      guard length == 0 else { throw failure(.acknowledgementWithData(length)) }
      return .acknowledgement
    }
    guard type == expectation.type?.rawValue else { throw failure(.unexpectedReply(type)) }
    if let excess = expectation.spend(length) { throw failure(excess) }
    return .data(length)
  }

  /// Reads what is left of the replies to an option, after one that cannot be used (N-161).
  mutating func finishReply() throws(NegotiationError) {
    while true {
      try discard(unread, "the rest of the answer")
      if isAnswered { return }
      _ = try reply()
    }
  }

  /// Does without an option that was refused, unless the refusal concerns the connection (N-035,
  /// N-062).
  func tolerate(_ refusal: OptionRefusal) throws(NegotiationError) {
    switch refusal.error {
    case .shutdown, .tlsRequired: throw failure(refusal)
    default: return
    }
  }

  /// What a refusal means, for an option that cannot go on without (N-030 to N-037, N-055).
  func failure(_ refusal: OptionRefusal) -> NegotiationError {
    guard let error = refusal.error else {
      return failure(.refusedWithUnknownError(refusal.type), serverText: refusal.text)
    }
    // In answer to STARTTLS, or inside TLS, this makes no sense (N-056).
    if error == .tlsRequired, isSecure || step == .option(.startTLS) {
      return failure(.tlsRequiredInsideTLS, serverText: refusal.text)
    }
    return failure(.refused(error), serverText: refusal.text)
  }

  /// Sends a courtesy ABORT where the server would understand it, and waits for nothing (N-039).
  mutating func sayGoodbye() {
    guard canAbort else { return }
    canAbort = false
    try? stream.write(request(.abort, []))
  }

  /// Leaves a server from which nothing more is wanted, with ABORT or with a request to disconnect,
  /// whatever becomes of it (N-039, N-163, N-167).
  mutating func leave() {
    guard !canAbort else { return sayGoodbye() }
    try? stream.write(RequestHeader.disconnect(.simple))
  }

  /// Reads the text of a refusal, if it is not absurdly long (N-027, N-028, N-038).
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
  /// A reply of the expected type; that many bytes follow, and are still to be read.
  case data(UInt32)
}

/// A server's no.
struct OptionRefusal {
  /// The reply's type, with the error bit.
  var type: UInt32
  /// What the server said about it, fit to be shown.
  var text: String?

  /// The error, where it has a name.
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

  /// Takes a reply of `length` bytes into account; returns the limit that it exceeds.
  mutating func spend(_ length: UInt32) -> NegotiationError.Reason? {
    replies += 1
    bytes += Int(length)
    guard replies <= mostReplies else { return .tooManyReplies(limit: mostReplies) }
    guard bytes <= Expectation.mostBytes else { return .tooManyBytes(limit: Expectation.mostBytes) }
    return nil
  }
}
