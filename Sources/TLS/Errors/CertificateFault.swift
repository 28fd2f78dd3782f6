// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import CGnuTLS

/// A reason to reject a server's certificate (N-054).
package enum CertificateFault: Sendable, Equatable {
  /// No trusted authority has issued it.
  case unknownAuthority(issuer: String)
  /// It is self-signed and not trusted.
  case selfSigned(subject: String)
  /// Its issuer is not a certificate authority.
  case notAnAuthority(issuer: String)
  case wrongName(names: [String], expected: String)
  case expired(subject: String, on: Time)
  case notYetValid(subject: String, before: Time)
  case revoked
  /// Its signature or key is so weak that it may be forged.
  case weak(String)
  /// It is not valid for servers.
  case wrongPurpose
  /// It has critical extensions, given by their numbers, that this client does not know.
  case unknownExtensions([String])
  case other(String)
}

extension CertificateFault {
  /// Returns the faults that a verification found, with details from the certificates that the server sent.
  ///
  /// The server's own certificate is the first one.
  static func all(
    _ status: UInt32, in chain: [Certificate], expected: String
  ) -> [CertificateFault] {
    guard let own = chain.first, let last = chain.last else { return [] }
    var faults: [CertificateFault] = []
    var rest = status & ~GNUTLS_CERT_INVALID.rawValue
    func found(_ flag: gnutls_certificate_status_t) -> Bool {
      defer { rest &= ~flag.rawValue }
      return rest & flag.rawValue != 0
    }
    if found(GNUTLS_CERT_SIGNER_NOT_FOUND) {
      faults.append(
        chain.count == 1 && own.isSelfIssued
          ? .selfSigned(subject: own.subject) : .unknownAuthority(issuer: last.issuer))
    }
    if found(GNUTLS_CERT_SIGNER_NOT_CA) { faults.append(.notAnAuthority(issuer: own.issuer)) }
    if found(GNUTLS_CERT_UNEXPECTED_OWNER) {
      faults.append(.wrongName(names: own.names, expected: expected))
    }
    if found(GNUTLS_CERT_EXPIRED) {
      let old = chain.first { $0.ends < .now }
      faults.append(
        old.map { .expired(subject: $0.subject, on: $0.ends) }
          ?? .other("the certificate of its CA has expired"))
    }
    if found(GNUTLS_CERT_NOT_ACTIVATED) {
      let early = chain.first { $0.begins > .now }
      faults.append(
        early.map { .notYetValid(subject: $0.subject, before: $0.begins) }
          ?? .other("the certificate of its CA is not valid yet"))
    }
    if found(GNUTLS_CERT_REVOKED) { faults.append(.revoked) }
    if found(GNUTLS_CERT_INSECURE_ALGORITHM) { faults.append(.weak(own.weakness)) }
    if found(GNUTLS_CERT_PURPOSE_MISMATCH) { faults.append(.wrongPurpose) }
    if found(GNUTLS_CERT_UNKNOWN_CRIT_EXTENSIONS) {
      faults.append(.unknownExtensions(chain.flatMap(\.unusualCriticalExtensions)))
    }
    if found(GNUTLS_CERT_SIGNATURE_FAILURE) { faults.append(.other("its signature is wrong")) }
    if found(GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE) {
      faults.append(.other("its CA is not allowed to issue it"))
    }
    if rest != 0 || faults.isEmpty {
      faults.append(.other("it cannot be verified (status 0x\(String(status, radix: 16)))"))
    }
    return faults
  }
}

extension CertificateFault: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unknownAuthority(let issuer):
      "its issuer is not trusted: \(issuer)"
    case .selfSigned(let subject):
      "it is self-signed and not trusted: \(subject)"
    case .notAnAuthority(let issuer):
      "its issuer is not a CA: \(issuer)"
    // An address in the common name, or as a host name, does not count.
    case .wrongName(let names, let expected) where names.contains(expected):
      "it has \(shown(expected)) as a name, and needs it as an address: "
        + "subjectAltName=IP:\(shown(expected))"
    case .wrongName(let names, let expected):
      "it is for \(names.isEmpty ? "no host" : names.joined(separator: ", ")); "
        + "expected \(shown(expected))"
    case .expired(let subject, let time):
      "\(subject) expired on \(time)"
    case .notYetValid(let subject, let time):
      "\(subject) is not valid before \(time)"
    case .revoked:
      "it was revoked"
    case .weak(let reason):
      "it is not secure: \(reason)"
    case .wrongPurpose:
      "it was not made for a server"
    case .unknownExtensions(let numbers):
      ["it has a critical extension that is not known here", numbers.joined(separator: ", ")]
        .filter { !$0.isEmpty }.joined(separator: ": ")
    case .other(let reason):
      reason
    }
  }
}
