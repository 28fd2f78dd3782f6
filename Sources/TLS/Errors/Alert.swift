// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import CGnuTLS

/// The alert that a TLS peer sends when it gives up (RFC 8446, *Alert Protocol*).
package struct Alert: Sendable, Equatable, CustomStringConvertible {
  package let number: UInt32

  package init(number: UInt32) {
    self.number = number
  }

  init(_ alert: gnutls_alert_description_t) {
    number = alert.rawValue
  }

  /// Whether the peer finds nothing usable in our offer.
  var meansNothingInCommon: Bool {
    isOne(
      of: GNUTLS_A_HANDSHAKE_FAILURE, GNUTLS_A_PROTOCOL_VERSION, GNUTLS_A_INSUFFICIENT_SECURITY)
  }

  /// Whether it may concern the client's certificate.
  ///
  /// Servers with TLS 1.2 report "handshake failed" if a required certificate is missing.
  var canConcernCertificate: Bool {
    isOne(
      of: GNUTLS_A_HANDSHAKE_FAILURE, GNUTLS_A_BAD_CERTIFICATE, GNUTLS_A_UNSUPPORTED_CERTIFICATE,
      GNUTLS_A_CERTIFICATE_REVOKED, GNUTLS_A_CERTIFICATE_EXPIRED, GNUTLS_A_CERTIFICATE_UNKNOWN,
      GNUTLS_A_UNKNOWN_CA, GNUTLS_A_ACCESS_DENIED, GNUTLS_A_CERTIFICATE_REQUIRED)
  }

  /// Whether it may concern a pre-shared key: servers differ, some on purpose.
  var canConcernKey: Bool {
    isOne(
      of: GNUTLS_A_HANDSHAKE_FAILURE, GNUTLS_A_UNKNOWN_PSK_IDENTITY, GNUTLS_A_DECRYPT_ERROR,
      GNUTLS_A_ILLEGAL_PARAMETER, GNUTLS_A_BAD_RECORD_MAC, GNUTLS_A_ACCESS_DENIED)
  }

  /// Whether a retry is unlikely to succeed.
  var isPersistent: Bool {
    meansNothingInCommon || canConcernCertificate
      || isOne(of: GNUTLS_A_UNRECOGNIZED_NAME, GNUTLS_A_UNKNOWN_PSK_IDENTITY)
  }

  private func isOne(of alerts: gnutls_alert_description_t...) -> Bool {
    alerts.contains { $0.rawValue == number }
  }

  package var description: String {
    let name = unsafe gnutls_alert_get_name(gnutls_alert_description_t(rawValue: number))
    return unsafe name.map { unsafe String(cString: $0) } ?? "alert \(number)"
  }
}
