// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// What an export allows and what its server supports (proto.md, *Transmission flags*).
///
/// Bits that have no name here are kept but ignored (N-079).
package struct TransmissionFlags: OptionSet, Sendable, Hashable {
  package let rawValue: UInt16

  package init(rawValue: UInt16) { self.rawValue = rawValue }

  /// `NBD_FLAG_HAS_FLAGS`: always set by a server that follows the protocol.
  package static let hasFlags = TransmissionFlags(rawValue: 1 << 0)
  /// `NBD_FLAG_READ_ONLY`.
  package static let readOnly = TransmissionFlags(rawValue: 1 << 1)
  /// `NBD_FLAG_SEND_FLUSH`.
  package static let sendFlush = TransmissionFlags(rawValue: 1 << 2)
  /// `NBD_FLAG_SEND_FUA`.
  package static let sendFUA = TransmissionFlags(rawValue: 1 << 3)
  /// `NBD_FLAG_ROTATIONAL`.
  package static let rotational = TransmissionFlags(rawValue: 1 << 4)
  /// `NBD_FLAG_SEND_TRIM`.
  package static let sendTrim = TransmissionFlags(rawValue: 1 << 5)
  /// `NBD_FLAG_SEND_WRITE_ZEROES`.
  package static let sendWriteZeroes = TransmissionFlags(rawValue: 1 << 6)
  /// `NBD_FLAG_SEND_DF`.
  package static let sendDF = TransmissionFlags(rawValue: 1 << 7)
  /// `NBD_FLAG_CAN_MULTI_CONN`.
  package static let canMultiConn = TransmissionFlags(rawValue: 1 << 8)
  /// `NBD_FLAG_SEND_RESIZE`.
  package static let sendResize = TransmissionFlags(rawValue: 1 << 9)
  /// `NBD_FLAG_SEND_CACHE`.
  package static let sendCache = TransmissionFlags(rawValue: 1 << 10)
  /// `NBD_FLAG_SEND_FAST_ZERO`.
  package static let sendFastZero = TransmissionFlags(rawValue: 1 << 11)
  /// `NBD_FLAG_BLOCK_STATUS_PAYLOAD`.
  package static let blockStatusPayload = TransmissionFlags(rawValue: 1 << 12)

  /// The names of the flags that are set, in the order of their bits, without `hasFlags`.
  package var names: [String] {
    TransmissionFlags.named.compactMap { flag, name in contains(flag) ? name : nil }
  }

  private static let named: [(TransmissionFlags, String)] = [
    (.readOnly, "readOnly"), (.sendFlush, "sendFlush"), (.sendFUA, "sendFUA"),
    (.rotational, "rotational"), (.sendTrim, "sendTrim"), (.sendWriteZeroes, "sendWriteZeroes"),
    (.sendDF, "sendDF"), (.canMultiConn, "canMultiConn"), (.sendResize, "sendResize"),
    (.sendCache, "sendCache"), (.sendFastZero, "sendFastZero"),
    (.blockStatusPayload, "blockStatusPayload"),
  ]
}
