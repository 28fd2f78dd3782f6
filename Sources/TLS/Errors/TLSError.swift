// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Linux

/// Why a session could not be started or continued (N-052).
package enum TLSError: Error, Sendable, Equatable {
  /// The server's certificate is not acceptable.
  case certificate([CertificateFault])
  /// The server has no certificate.
  case noCertificate
  /// The server requires a certificate from us, and we have none; without an alert it just hung up.
  case clientCertificateDemanded(Alert?)
  /// The server does not accept our certificate; without an alert it just hung up.
  case clientCertificateRefused(Alert?)
  /// The server does not know the user, or has another key for it; without an alert it just hung up.
  case preSharedKeyRefused(user: String, Alert?)
  /// The server did not use the requested method.
  case otherMethod
  /// The two sides have no protocol version, cipher or signature in common.
  case nothingInCommon(String)
  /// The peer does not speak TLS.
  case notTLS
  /// The peer gave up.
  case alert(Alert)
  /// The peer violates the protocol, or the connection was tampered with.
  case broken(String)

  /// The connection ended before the session was established.
  case endedInHandshake
  /// The peer ended the session in order, after that many of the requested bytes.
  case ended(received: Int)
  /// The connection ended without a closing alert: the received data may be incomplete.
  case truncated
  /// The operation timed out after this time.
  case timedOut(Duration)
  /// Our own side gave up.
  case interrupted
  case system(SystemError)

  /// Whether it is unlikely to go away on its own.
  package var isPersistent: Bool {
    switch self {
    case .certificate, .noCertificate, .clientCertificateDemanded, .clientCertificateRefused,
      .preSharedKeyRefused, .otherMethod, .nothingInCommon, .notTLS:
      true
    case .alert(let alert): alert.isPersistent
    case .broken, .endedInHandshake, .ended, .truncated, .timedOut, .interrupted, .system: false
    }
  }
}

extension TLSError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .certificate(let faults):
      "the server's certificate is refused: "
        + faults.map(\.description).joined(separator: "; ")
    case .noCertificate:
      "the server sent no certificate"
    case .clientCertificateDemanded(let alert?):
      "the server demands a client certificate, and none is configured (\(alert))"
    case .clientCertificateDemanded(nil):
      "the server asked for a client certificate, of which none is configured, and hung up"
    case .clientCertificateRefused(let alert?):
      "the server refused the client certificate (\(alert))"
    case .clientCertificateRefused(nil):
      "the server hung up on the client certificate; its log may say why"
    case .preSharedKeyRefused(let user, let alert?):
      "the server refused user '\(shown(user))' or its pre-shared key (\(alert))"
    case .preSharedKeyRefused(let user, nil):
      "the server hung up on user '\(shown(user))' and its pre-shared key"
    case .otherMethod:
      "the server does not use the method that was asked for"
    case .nothingInCommon(let reason):
      "no protocol version or cipher that both sides accept (\(reason))"
    case .notTLS:
      "the peer does not speak TLS"
    case .alert(let alert):
      "the server gave up: \(alert)"
    case .broken(let reason):
      "the TLS protocol was broken: \(reason)"
    case .endedInHandshake:
      "the connection was closed during the TLS handshake; the server's log may say why"
    case .ended:
      "the peer ended the TLS session"
    case .truncated:
      "the connection was closed without the end of the TLS session"
    case .timedOut(let time):
      "timed out after \(Quantities.exactly(time))"
    case .interrupted:
      "interrupted"
    case .system(let error):
      error.description
    }
  }
}
