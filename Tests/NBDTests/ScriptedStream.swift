// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Glibc
import NBD
import Testing

/// A server that says what it has to say, whatever the client does, and then ends.
final class ScriptedStream: ByteStream {
  private var script: ArraySlice<UInt8>
  private let end: StreamError?
  private var writable: Int
  private let secured: Result<[UInt8], StreamError>?
  private var later: ArraySlice<[UInt8]>

  /// What passed, in order; what passes in one direction without a break is one entry.
  private(set) var passed: [Passage] = []
  /// How many steps began.
  private(set) var steps = 0
  /// The most bytes that were asked for at once.
  private(set) var largestRead = 0

  /// - Parameters:
  ///   - script: All that the server sends.
  ///   - end: How reading fails after that; by default as an orderly end.
  ///   - writable: How many bytes the server takes before it hangs up.
  ///   - later: What the server sends on each connection after the first; then it takes no more.
  ///   - secured: What the server sends after the TLS handshake, or how that fails; by default there
  ///     is no TLS on this side.
  init(
    _ script: [UInt8], end: StreamError? = nil, writable: Int = .max,
    later: [[UInt8]] = [], secured: Result<[UInt8], StreamError>? = nil
  ) {
    self.script = script[...]
    self.end = end
    self.writable = writable
    self.secured = secured
    self.later = later[...]
  }

  var canSecure: Bool { secured != nil }

  /// How much the client had sent in the clear; nil before the handshake.
  private(set) var sentInTheClear: Int?

  /// Bytes in the clear belong to the handshake, which they spoil.
  func secure() throws(StreamError) {
    sentInTheClear = sent.count
    guard let secured, script.isEmpty else {
      throw .handshakeFailed(reason: "unexpected message", isPersistent: false)
    }
    script = try secured.get()[...]
  }

  func beginStep() { steps += 1 }

  func restart() -> Bool {
    guard let next = later.popFirst() else { return false }
    script = next[...]
    passed = []
    return true
  }

  func read(_ count: Int) throws(StreamError) -> [UInt8] {
    largestRead = max(largestRead, count)
    guard count <= script.count else { throw end ?? .ended(received: script.count) }
    let bytes = Array(script.prefix(count))
    script = script.dropFirst(count)
    note(.server, bytes)
    return bytes
  }

  func write(_ bytes: [UInt8]) throws(StreamError) {
    guard bytes.count <= writable else { throw .failed(.brokenPipe) }
    writable -= bytes.count
    note(.client, bytes)
  }

  private func note(_ speaker: Passage.Speaker, _ bytes: [UInt8]) {
    if bytes.isEmpty { return }
    if passed.last?.speaker == speaker {
      passed[passed.count - 1].bytes += bytes
    } else {
      passed.append(Passage(speaker: speaker, bytes: bytes))
    }
  }

  /// What the server said and nobody read.
  var unread: [UInt8] { Array(script) }

  /// All that the client sent.
  var sent: [UInt8] { passed.filter { $0.speaker == .client }.flatMap(\.bytes) }

  /// The numbers of the options that the client sent after its flags.
  var options: [UInt32] {
    var numbers: [UInt32] = []
    var rest = sent.dropFirst(4)
    while rest.count >= 16 {
      let numbered = rest.dropFirst(8)
      let length = numbered.dropFirst(4).prefix(4).reduce(0) { $0 << 8 | Int($1) }
      numbers.append(numbered.prefix(4).reduce(0) { $0 << 8 | UInt32($1) })
      rest = rest.dropFirst(16 + length)
    }
    return numbers
  }
}

/// What one side says before the other does.
struct Passage: Equatable, CustomStringConvertible {
  enum Speaker: String { case server = "S", client = "C" }

  var speaker: Speaker
  var bytes: [UInt8]

  var description: String { "\(speaker.rawValue) \(digits(bytes))" }
}

/// Reads a transcript: lines of "S" or "C", hexadecimal digits, and a label after "#".
func transcript(_ text: String) -> [Passage] {
  var passages: [Passage] = []
  for line in text.split(separator: "\n") {
    let said = line.prefix { $0 != "#" }
    guard let speaker = said.first.flatMap({ Passage.Speaker(rawValue: String($0)) }) else {
      preconditionFailure("a line begins with S or C: \(line)")
    }
    let bytes = hex(String(said.dropFirst()))
    if passages.last?.speaker == speaker {
      passages[passages.count - 1].bytes += bytes
    } else {
      passages.append(Passage(speaker: speaker, bytes: bytes))
    }
  }
  return passages
}

/// Negotiates over a transcript and checks that both sides say it, to the last byte and in order.
func follow(
  _ text: String, name: String = "", details: Bool = false,
  sourceLocation: SourceLocation = #_sourceLocation
) throws(NegotiationError) -> Negotiated {
  let expected = transcript(text)
  let stream = ScriptedStream(expected.filter { $0.speaker == .server }.flatMap(\.bytes))
  defer {
    #expect(stream.passed == expected, sourceLocation: sourceLocation)
    #expect(stream.unread == [], sourceLocation: sourceLocation)
  }
  return try negotiate(request(name, details: details), over: stream)
}

/// The wish for an export, plain but for what is said.
func request(
  _ name: String = "disk", details: Bool = false, security: Security = .none,
  structuredReplies: Bool = false, extendedHeaders: Bool = false, contexts: [String] = []
) -> ExportRequest {
  var request = ExportRequest(name)
  request.details = details
  request.security = security
  request.structuredReplies = structuredReplies
  request.extendedHeaders = extendedHeaders
  request.contexts = contexts
  return request
}

/// Bytes from hexadecimal digits, between which blanks may stand.
func hex(_ text: String) -> [UInt8] {
  let digits = text.filter { !$0.isWhitespace }.map { character in
    guard let digit = character.hexDigitValue else {
      preconditionFailure("not hexadecimal: \(text)")
    }
    return UInt8(digit)
  }
  return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

func digits(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

extension SystemError {
  static let brokenPipe = SystemError("send", EPIPE)
  static let connectionReset = SystemError("recv", ECONNRESET)
}
