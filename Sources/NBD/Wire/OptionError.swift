// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Why a server refuses an option (proto.md, *Option reply types*).
///
/// The raw value is the whole reply type, with the error bit set.
package enum OptionError: UInt32, Error, Sendable, CaseIterable, CustomStringConvertible {
  /// `NBD_REP_ERR_UNSUP`.
  case unsupported = 0x8000_0001
  /// `NBD_REP_ERR_POLICY`.
  case policy = 0x8000_0002
  /// `NBD_REP_ERR_INVALID`.
  case invalid = 0x8000_0003
  /// `NBD_REP_ERR_PLATFORM`.
  case platform = 0x8000_0004
  /// `NBD_REP_ERR_TLS_REQD`.
  case tlsRequired = 0x8000_0005
  /// `NBD_REP_ERR_UNKNOWN`.
  case unknown = 0x8000_0006
  /// `NBD_REP_ERR_SHUTDOWN`.
  case shutdown = 0x8000_0007
  /// `NBD_REP_ERR_BLOCK_SIZE_REQD`.
  case blockSizeRequired = 0x8000_0008
  /// `NBD_REP_ERR_TOO_BIG`.
  case tooBig = 0x8000_0009
  /// `NBD_REP_ERR_EXT_HEADER_REQD`.
  case extendedHeadersRequired = 0x8000_000a

  /// Set in every reply type that is an error (N-026).
  static let bit: UInt32 = 0x8000_0000

  /// The protocol's name for it, without the common prefix.
  package var name: String {
    switch self {
    case .unsupported: "ERR_UNSUP"
    case .policy: "ERR_POLICY"
    case .invalid: "ERR_INVALID"
    case .platform: "ERR_PLATFORM"
    case .tlsRequired: "ERR_TLS_REQD"
    case .unknown: "ERR_UNKNOWN"
    case .shutdown: "ERR_SHUTDOWN"
    case .blockSizeRequired: "ERR_BLOCK_SIZE_REQD"
    case .tooBig: "ERR_TOO_BIG"
    case .extendedHeadersRequired: "ERR_EXT_HEADER_REQD"
    }
  }

  /// What it means, and what to do if anything can be done (N-029 to N-037, N-055, N-066).
  package var description: String {
    switch self {
    case .unsupported: "the server does not support this option"
    case .policy: "the server's policy forbids it"
    case .invalid: "the server calls its parameters invalid"
    case .platform: "the server cannot do it on its platform"
    case .tlsRequired:
      "the server requires TLS: use the scheme nbds (or nbds+unix) and configure its credentials"
    case .unknown: "the export is not available there"
    case .shutdown: "the server is shutting down"
    case .blockSizeRequired: "the server insists on negotiating block sizes"
    case .tooBig: "the server calls the request too big"
    case .extendedHeadersRequired: "the server insists on extended headers"
    }
  }
}
