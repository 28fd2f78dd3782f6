// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc
internal import Linux
package import NBD
package import TLS

extension FailureKind {
  package init(_ error: CredentialsError) {
    self =
      switch error {
      case .noHostName, .priority, .missing, .ambiguousUser: .misconfigured
      case .tooOpen, .foreignOwner, .expired, .notYetValid: .refused
      default: .other
      }
  }

  package init(_ error: ConnectError) {
    self =
      switch error {
      case .unreachable(_, .timedOut): .timedOut
      case .unreachable(_, .system(let error)): Self(error)
      case .unreachable(_, .ended), .unreachable(_, .interrupted), .unresolved, .noAddress:
        .unreachable
      case .pathTooLong: .misconfigured
      }
  }

  package init(_ error: NegotiationError) {
    self =
      switch error.reason {
      case .receiving(let stream, _), .sending(let stream), .securing(let stream): Self(stream)
      case .cannotSecure, .tlsNotOffered: .refused
      case .refused where error.step == .option(.startTLS): .refused
      case .refused(.policy), .refused(.tlsRequired): .refused
      case .refused(.invalid), .refused(.tooBig): .protocolBroken
      case .unusableName: .misconfigured
      case .refused, .refusedWithUnknownError, .unknownExport, .noNamedExports, .hungUpOnName,
        .cannotList:
        .other
      default: .protocolBroken
      }
  }

  package init(_ reason: TransmissionError.Reason) {
    self =
      switch reason {
      case .violation, .uncovered, .statusMissing, .noProgress: .protocolBroken
      case .receiving(let stream, _), .sending(let stream): Self(stream)
      case .closed: .unreachable
      case .failed(let failure) where failure.number == .notPermitted: .refused
      case .notSent(.outOfRange): .misconfigured
      case .notSent, .failed, .abandoned: .other
      }
  }

  private init(_ error: StreamError) {
    self =
      switch error {
      case .failed(let error): Self(error)
      case .ended, .tlsFailed: .unreachable
      case .timedOut: .timedOut
      case .handshakeFailed(_, let isPersistent): isPersistent ? .refused : .protocolBroken
      case .interrupted: .other
      }
  }

  /// Classifies the errno of a system call that failed on the way to a server.
  ///
  /// EACCES and EPERM: a socket's permissions, or a firewall, forbid it. ETIMEDOUT: TCP itself gave up
  /// the peer, for instance because its probes were not acknowledged.
  init(_ error: SystemError) {
    self =
      switch error.errno {
      case EACCES, EPERM: .refused
      case ETIMEDOUT: .timedOut
      default: .unreachable
      }
  }
}
