// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The first bytes in either direction (proto.md, *Oldstyle negotiation*, *Newstyle negotiation*).
extension Negotiation {
  /// Exchanges greetings and encrypts the connection if requested.
  ///
  /// If the stream cannot be encrypted but has to be, nothing is read from it (N-045, U-002).
  mutating func greet(_ security: Security) throws(NegotiationError) -> HandshakeStyle {
    guard security == .none || stream.canSecure else { throw failure(.cannotSecure) }
    let handshake = try greet()
    try secure(handshake, security)
    return handshake
  }

  /// Reads the greeting, replies to a newstyle one, and returns the style (N-001 to N-010, N-013).
  ///
  /// The size in an oldstyle greeting, and what follows it, are left unread.
  private mutating func greet() throws(NegotiationError) -> HandshakeStyle {
    begin(.greeting)
    let first = try read(8, "the first magic")
    guard first == Array("NBDMAGIC".utf8) else { throw failure(.notNBD(firstBytes: first)) }
    let second: UInt64 = try read("the second magic")
    switch second {
    case Magic.oldstyle: return .oldstyle
    case Magic.option: break
    default: throw failure(.unknownStyle(second))
    }
    let offered = HandshakeFlags(rawValue: try read("the handshake flags"))

    begin(.clientFlags)
    let answer = ClientFlags(answering: offered)
    var bytes: [UInt8] = []
    bytes.append(number: answer.rawValue)
    try write(bytes)
    reservedBlockFollows = !answer.contains(.noZeroes)
    canAbort = answer.contains(.fixedNewstyle)
    return answer.contains(.fixedNewstyle) ? .fixedNewstyle : .newstyle
  }
}

/// The magic numbers by which the two sides know that they are in step.
enum Magic {
  /// `IHAVEOPT`: newstyle in a greeting, and the start of each option.
  static let option: UInt64 = 0x4948_4156_454f_5054
  /// An oldstyle greeting.
  static let oldstyle: UInt64 = 0x0000_4202_8186_1253
  /// The start of each option reply.
  static let optionReply: UInt64 = 0x0003_e889_0455_65a9
}
