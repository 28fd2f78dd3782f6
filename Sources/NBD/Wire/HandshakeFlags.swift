// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// What a newstyle server says about itself in its greeting (proto.md, *Handshake flags*).
package struct HandshakeFlags: OptionSet, Sendable {
  package let rawValue: UInt16

  package init(rawValue: UInt16) { self.rawValue = rawValue }

  /// `NBD_FLAG_FIXED_NEWSTYLE`: options other than EXPORT_NAME may be sent.
  package static let fixedNewstyle = HandshakeFlags(rawValue: 1 << 0)
  /// `NBD_FLAG_NO_ZEROES`: the reserved block after EXPORT_NAME can be omitted.
  package static let noZeroes = HandshakeFlags(rawValue: 1 << 1)
}

/// The client's reply to the greeting (proto.md, *Client flags*).
package struct ClientFlags: OptionSet, Sendable {
  package let rawValue: UInt32

  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// `NBD_FLAG_C_FIXED_NEWSTYLE`.
  package static let fixedNewstyle = ClientFlags(rawValue: 1 << 0)
  /// `NBD_FLAG_C_NO_ZEROES`.
  package static let noZeroes = ClientFlags(rawValue: 1 << 1)

  /// Accepts what the server offers and nothing else (N-005, N-006).
  init(answering offered: HandshakeFlags) {
    self = []
    if offered.contains(.fixedNewstyle) { insert(.fixedNewstyle) }
    if offered.contains(.noZeroes) { insert(.noZeroes) }
  }
}
