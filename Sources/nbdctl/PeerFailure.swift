// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Connection
internal import Glibc
internal import Kernel
internal import NBD
internal import TLS

/// What went wrong with a server, as a message that names the phase and an exit status.
extension Failure {
  init(_ error: CredentialsError) {
    let status: Int32 =
      switch error {
      case .noHostName, .priority, .missing, .ambiguousUser: EX_USAGE
      case .tooOpen, .foreignOwner, .expired, .notYetValid: EX_NOPERM
      default: 1
      }
    let hint =
      error == .noHostName ? ": tls-hostname=NAME or tls-verify-peer=0 in the URI" : ""
    self.init("credentials: \(error)\(hint)", status)
  }

  init(_ error: ConnectError) {
    switch error {
    case .unreachable(_, .timedOut): self.init("connect: \(error)", EX_TEMPFAIL)
    case .unreachable(_, .system(let system)) where system.errno == EACCES:
      self.init("connect: \(error)", EX_NOPERM)
    case .pathTooLong: self.init("connect: \(error)", EX_USAGE)
    default: self.init("connect: \(error)", EX_UNAVAILABLE)
    }
  }

  init(_ error: NegotiationError) {
    self.init(error.description, Self.status(error))
  }

  init(_ error: TransmissionError) {
    self.init(error.description, Self.status(error.reason))
  }

  private static func status(_ error: NegotiationError) -> Int32 {
    switch error.reason {
    case .receiving(let stream, _), .sending(let stream), .securing(let stream): status(stream)
    case .cannotSecure, .tlsNotOffered: EX_NOPERM
    case .refused where error.step == .option(.startTLS): EX_NOPERM
    case .refused(.policy), .refused(.tlsRequired): EX_NOPERM
    case .refused(.invalid), .refused(.tooBig): EX_PROTOCOL
    case .unusableName: EX_USAGE
    case .refused, .refusedWithUnknownError, .unknownExport, .noNamedExports, .hungUpOnName,
      .cannotList:
      1
    default: EX_PROTOCOL
    }
  }

  private static func status(_ error: StreamError) -> Int32 {
    switch error {
    case .ended, .failed: EX_UNAVAILABLE
    case .timedOut: EX_TEMPFAIL
    case .handshakeFailed(_, let isLasting): isLasting ? EX_NOPERM : EX_PROTOCOL
    case .interrupted: 1
    }
  }

  private static func status(_ reason: TransmissionError.Reason) -> Int32 {
    switch reason {
    case .violation, .uncovered, .statusMissing, .noProgress: EX_PROTOCOL
    case .receiving(let stream, _), .sending(let stream): status(stream)
    case .closed: EX_UNAVAILABLE
    case .failed(let failure) where failure.number == .notPermitted: EX_NOPERM
    case .notSent(.outOfRange): EX_USAGE
    case .notSent, .failed, .abandoned: 1
    }
  }
}
