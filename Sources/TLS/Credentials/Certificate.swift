// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import CGnuTLS
internal import Glibc

/// An X.509 certificate, parsed to report what is wrong with it.
@safe final class Certificate {
  private let handle: gnutls_x509_crt_t

  /// Parses the first certificate in the bytes; nil and GnuTLS's error number if there is none.
  init?(_ bytes: [UInt8], _ format: gnutls_x509_crt_fmt_t, error: inout CInt) {
    var made: gnutls_x509_crt_t?
    error = unsafe gnutls_x509_crt_init(&made)
    guard let made = unsafe made else { return nil }
    unsafe handle = unsafe made
    error = unsafe withDatum(bytes) { unsafe gnutls_x509_crt_import(made, $0, format) }
    if error < 0 { return nil }
  }

  deinit {
    unsafe gnutls_x509_crt_deinit(handle)
  }

  /// The certificates in a PEM file that can be parsed, in order.
  static func all(in bytes: [UInt8]) -> [Certificate] {
    let parts = String(decoding: bytes, as: UTF8.self).split(separator: "-----BEGIN ").map {
      "-----BEGIN \($0)"
    }
    var error: CInt = 0
    return parts.compactMap { Certificate(Array($0.utf8), GNUTLS_X509_FMT_PEM, error: &error) }
  }

  var begins: Time { Time(seconds: unsafe Int64(gnutls_x509_crt_get_activation_time(handle))) }
  var ends: Time { Time(seconds: unsafe Int64(gnutls_x509_crt_get_expiration_time(handle))) }

  /// For example "CN=storage,O=Example".
  var subject: String {
    unsafe shownText { unsafe gnutls_x509_crt_get_dn(handle, $0, $1) } ?? "nobody"
  }

  var issuer: String {
    unsafe shownText { unsafe gnutls_x509_crt_get_issuer_dn(handle, $0, $1) } ?? "nobody"
  }

  /// Whether it names itself as its issuer.
  var isSelfIssued: Bool {
    unsafe gnutls_x509_crt_check_issuer(handle, handle) != 0
  }

  /// Its signature algorithm if that is too weak, or else the size of its key.
  var weakness: String {
    let code = unsafe gnutls_x509_crt_get_signature_algorithm(handle)
    let algorithm = gnutls_sign_algorithm_t(rawValue: UInt32(bitPattern: code))
    if gnutls_sign_is_secure2(algorithm, UInt32(GNUTLS_SIGN_FLAG_SECURE_FOR_CERTS)) == 0 {
      let name = unsafe gnutls_sign_get_name(algorithm).map { unsafe String(cString: $0) }
      return "signed with \(name ?? "an unknown algorithm")"
    }
    var bits: UInt32 = 0
    unsafe gnutls_x509_crt_get_pk_algorithm(handle, &bits)
    return "its key has \(bits) bits"
  }

  /// The host names and addresses that it is valid for, at most eight; the common name if it has none.
  var names: [String] {
    var names: [String] = []
    for index in 0..<UInt32(64) where names.count < 8 {
      var size = 4096
      var room = [UInt8](repeating: 0, count: size)
      let type = unsafe gnutls_x509_crt_get_subject_alt_name(handle, index, &room, &size, nil)
      if type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE { break }
      switch gnutls_x509_subject_alt_name_t(rawValue: UInt32(bitPattern: type)) {
      case GNUTLS_SAN_DNSNAME:
        names.append(shown(room.prefix(size), limit: 255))
      case GNUTLS_SAN_IPADDRESS: names.append(address(Array(room.prefix(size))))
      default: continue
      }
    }
    if !names.isEmpty { return names }
    let name = unsafe shownText {
      unsafe gnutls_x509_crt_get_dn_by_oid(handle, GNUTLS_OID_X520_COMMON_NAME, 0, 0, $0, $1)
    }
    return name.map { [$0] } ?? []
  }

  /// The numbers of its critical extensions, except those that every TLS library knows.
  var unusualCriticalExtensions: [String] {
    let known = ["2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.32", "2.5.29.37"]
    return (0..<UInt32(64)).compactMap { index in
      var isCritical: UInt32 = 0
      let number = unsafe shownText {
        unsafe gnutls_x509_crt_get_extension_info(handle, index, $0, $1, &isCritical)
      }
      return isCritical == 0 ? nil : number
    }.filter { !known.contains($0) }
  }

  private func shownText(
    _ body: (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<Int>) -> CInt
  ) -> String? {
    unsafe text(body).map { shown($0, limit: 255) }
  }

  private func address(_ bytes: [UInt8]) -> String {
    var room = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let family = bytes.count == 4 ? AF_INET : AF_INET6
    guard bytes.count == 4 || bytes.count == 16,
      unsafe inet_ntop(family, bytes, &room, socklen_t(room.count)) != nil
    else { return "an odd address" }
    return String(
      decoding: room.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
