// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import NBD
internal import TLS
internal import Transport

/// What went wrong with a server, as a message that names the phase and an exit status.
extension Failure {
  init(_ error: CredentialsError) {
    let hint =
      error == .noHostName ? ": tls-hostname=NAME or tls-verify-peer=0 in the URI" : ""
    self.init("credentials: \(error)\(hint)", FailureKind(error).status)
  }

  init(_ error: ConnectError) {
    self.init("connect: \(error)", FailureKind(error).status)
  }

  init(_ error: NegotiationError) {
    self.init(error.description, FailureKind(error).status)
  }

  init(_ error: TransmissionError) {
    self.init(error.description, FailureKind(error.reason).status)
  }
}

extension FailureKind {
  /// The exit status for the failure, whether it happened in nbdctl or in nbdd.
  var status: Int32 {
    switch self {
    case .unreachable: EX_UNAVAILABLE
    case .timedOut: EX_TEMPFAIL
    case .protocolBroken: EX_PROTOCOL
    case .refused: EX_NOPERM
    case .misconfigured: EX_USAGE
    case .other: 1
    }
  }
}
