// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Why a server failed a request, by its number on the wire (proto.md, *Error values*).
///
/// The numbers are those of Linux, but have to be mapped by name.
package enum ErrorNumber: UInt32, Error, Sendable, CaseIterable {
  /// `NBD_EPERM`.
  case notPermitted = 1
  /// `NBD_EIO`.
  case inputOutput = 5
  /// `NBD_ENOMEM`.
  case noMemory = 12
  /// `NBD_EINVAL`.
  case invalid = 22
  /// `NBD_ENOSPC`.
  case noSpace = 28
  /// `NBD_EOVERFLOW`.
  case overflow = 75
  /// `NBD_ENOTSUP`.
  case notSupported = 95
  /// `NBD_ESHUTDOWN`.
  case shutdown = 108

  /// Decodes a number from the wire; an unknown one counts as EINVAL (T-028), and so does 0 where an
  /// error is required (T-056).
  package init(wire number: UInt32) {
    self = ErrorNumber(rawValue: number) ?? .invalid
  }

  /// Its symbol in C.
  package var name: String {
    switch self {
    case .notPermitted: "EPERM"
    case .inputOutput: "EIO"
    case .noMemory: "ENOMEM"
    case .invalid: "EINVAL"
    case .noSpace: "ENOSPC"
    case .overflow: "EOVERFLOW"
    case .notSupported: "ENOTSUP"
    case .shutdown: "ESHUTDOWN"
    }
  }
}
