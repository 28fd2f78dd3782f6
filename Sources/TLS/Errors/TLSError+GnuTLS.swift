// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import CGnuTLS
internal import Glibc
internal import Linux

/// Converts GnuTLS's error numbers.
extension TLSError {
  /// The reason why a call on a session returned `code`; `call` and `errno` describe the error of its socket.
  ///
  /// Also used after the handshake: with TLS 1.3 a server verifies the client's certificate when the
  /// handshake is already complete for the client, and its rejection is the first thing to be received.
  /// Most servers just hang up then: `isJudged` is whether the server has shown that it accepts the client.
  init(
    gnutls code: CInt, from call: String, errno: CInt, in session: gnutls_session_t,
    with credentials: Credentials, isHandshake: Bool, isJudged: Bool
  ) {
    lazy var end = unsafe Self.end(of: session, credentials, isHandshake, isJudged)
    switch code {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
      self = unsafe Self.refusal(Alert(gnutls_alert_get(session)), in: session, credentials)
    case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
      let status = unsafe gnutls_session_get_verify_cert_status(session)
      self = .certificate(
        CertificateFault.all(
          status, in: unsafe Self.chain(of: session), expected: credentials.serverName?.text ?? ""))
    case GNUTLS_E_NO_CERTIFICATE_FOUND, GNUTLS_E_CERTIFICATE_REQUIRED:
      self = .noCertificate
    case GNUTLS_E_INSUFFICIENT_CREDENTIALS:
      self = .otherMethod
    case GNUTLS_E_NO_CIPHER_SUITES, GNUTLS_E_UNKNOWN_CIPHER_SUITE, GNUTLS_E_NO_COMMON_KEY_SHARE,
      GNUTLS_E_INSUFFICIENT_SECURITY, GNUTLS_E_UNSUPPORTED_SIGNATURE_ALGORITHM,
      GNUTLS_E_DH_PRIME_UNACCEPTABLE, GNUTLS_E_ECC_UNSUPPORTED_CURVE:
      self = .nothingInCommon(reason(code))
    case GNUTLS_E_PREMATURE_TERMINATION:
      self = end
    case GNUTLS_E_PULL_ERROR, GNUTLS_E_PUSH_ERROR:
      self = errno == EPIPE || errno == ECONNRESET ? end : .system(SystemError(call, errno))
    case GNUTLS_E_UNEXPECTED_PACKET where unsafe isHandshake && Self.isOver(session):
      self = end
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET, GNUTLS_E_UNEXPECTED_PACKET_LENGTH,
      GNUTLS_E_UNEXPECTED_PACKET, GNUTLS_E_RECORD_OVERFLOW:
      self = unsafe isHandshake && !Self.hasSpoken(session) ? .notTLS : .broken(reason(code))
    default:
      self = .broken(reason(code))
    }
  }

  init(_ error: SocketError, isHandshake: Bool) {
    self =
      switch error {
      case .ended: isHandshake ? .endedInHandshake : .truncated
      case .timedOut(let time): .timedOut(time)
      case .interrupted: .interrupted
      case .system(let error): .system(error)
      }
  }

  private static func refusal(
    _ alert: Alert, in session: gnutls_session_t, _ credentials: Credentials
  ) -> TLSError {
    if let user = credentials.user, alert.canConcernKey {
      return .preSharedKeyRefused(user: user, alert)
    }
    let isAsked = unsafe gnutls_certificate_client_get_request_status(session) != 0
    if isAsked && alert.canConcernCertificate {
      return credentials.settings.certificateFile == nil
        ? .clientCertificateDemanded(alert) : .clientCertificateRefused(alert)
    }
    return alert.meansNothingInCommon ? .nothingInCommon(alert.description) : .alert(alert)
  }

  private static func end(
    of session: gnutls_session_t, _ credentials: Credentials, _ isHandshake: Bool, _ isJudged: Bool
  ) -> TLSError {
    if isJudged { return .truncated }
    if isHandshake, let user = credentials.user {
      return .preSharedKeyRefused(user: user, nil)
    }
    return unsafe refusal(byEndOf: session, credentials)
      ?? (isHandshake ? .endedInHandshake : .truncated)
  }

  /// The rejection of the client's certificate that the server means if it just ends the session; nil if it
  /// did not request one.
  static func refusal(
    byEndOf session: gnutls_session_t, _ credentials: Credentials
  ) -> TLSError? {
    guard unsafe gnutls_certificate_client_get_request_status(session) != 0 else { return nil }
    return credentials.settings.certificateFile == nil
      ? .clientCertificateDemanded(nil) : .clientCertificateRefused(nil)
  }

  // Whether any message from the peer was understood.
  private static func hasSpoken(_ session: gnutls_session_t) -> Bool {
    unsafe gnutls_handshake_get_last_in(session).rawValue != .max
  }

  /// Whether the peer ended the session in order in the middle of the handshake.
  private static func isOver(_ session: gnutls_session_t) -> Bool {
    unsafe hasSpoken(session) && gnutls_alert_get(session) == GNUTLS_A_CLOSE_NOTIFY
  }

  private static func chain(of session: gnutls_session_t) -> [Certificate] {
    var count: UInt32 = 0
    guard let list = unsafe gnutls_certificate_get_peers(session, &count) else { return [] }
    var ignored: CInt = 0
    return unsafe UnsafeBufferPointer(start: list, count: Int(count)).compactMap { datum in
      let bytes = unsafe Array(UnsafeBufferPointer(start: datum.data, count: Int(datum.size)))
      return Certificate(bytes, GNUTLS_X509_FMT_DER, error: &ignored)
    }
  }
}
