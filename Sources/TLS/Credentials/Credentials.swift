// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import CGnuTLS
internal import Linux

/// What a client presents to servers, and what it expects of them.
///
/// Its files are read when it is created, so a new one picks up their changes. Sessions may share it.
@safe package final class Credentials: Sendable {
  /// What the user configured.
  package struct Settings: Sendable, Equatable {
    /// How the two sides authenticate.
    package var method = Method.certificate
    /// Certificates to trust, PEM; nil means those that the system trusts.
    package var caFile: String?
    /// Certificate revocation lists, PEM; nil means none.
    package var revocationFile: String?
    /// Our own certificate and its chain up to the CA, PEM.
    package var certificateFile: String?
    /// The private key of our certificate, PEM.
    package var keyFile: String?
    /// Pre-shared keys, one `user:hexadecimal key` per line.
    package var pskFile: String?
    /// The user whose key to use; nil means the only one in the file.
    package var user: String?
    /// The name or address that the server's certificate must be valid for, and that is sent to the server.
    package var hostname: String?
    /// Whether the server's certificate is verified.
    package var verifyPeer = true
    /// GnuTLS's priority string; nil means its "NORMAL" with TLS 1.2 and 1.3 only.
    package var priority: String?

    package init() {}
  }

  /// How the two sides of a session authenticate.
  package enum Method: String, Sendable, CaseIterable {
    /// The server has a certificate, and the client may have one (X.509).
    case certificate
    /// Both sides know a key.
    case preSharedKey
    /// Neither side is authenticated: this protects against passive eavesdropping only.
    case anonymous
  }

  package let settings: Settings
  let handle: CredentialsHandle
  let serverName: ServerName?
  let user: String?
  let priority: String

  /// Reads the files; blocks while reading.
  package init(_ settings: Settings) throws(CredentialsError) {
    self.settings = settings
    serverName = settings.hostname.flatMap(ServerName.init)
    priority = try Self.priority(settings)
    switch settings.method {
    case .certificate:
      user = nil
      unsafe handle = Self.handle(GNUTLS_CRD_CERTIFICATE) {
        unsafe gnutls_certificate_allocate_credentials($0)
      }
      if settings.verifyPeer {
        guard serverName != nil else { throw .noHostName }
        try trust()
        try distrust()
      }
      try identify()
    case .preSharedKey:
      guard let file = settings.pskFile else { throw .missing(.preSharedKeys) }
      let entry = try PreSharedKey(of: settings.user, in: secretBytes(of: file), file: file)
      user = entry.user
      unsafe handle = Self.handle(GNUTLS_CRD_PSK) {
        unsafe gnutls_psk_allocate_client_credentials($0)
      }
      let code = unsafe withDatum(entry.key) {
        unsafe gnutls_psk_set_client_credentials(
          OpaquePointer(handle.pointer), entry.user, $0, GNUTLS_PSK_KEY_HEX)
      }
      guard code >= 0 else {
        throw .unusable(.preSharedKeys, file: file, reason: reason(code))
      }
    case .anonymous:
      user = nil
      unsafe handle = Self.handle(GNUTLS_CRD_ANON) {
        unsafe gnutls_anon_allocate_client_credentials($0)
      }
    }
  }

  deinit {
    let pointer = unsafe OpaquePointer(handle.pointer)
    switch unsafe handle.kind {
    case GNUTLS_CRD_CERTIFICATE: unsafe gnutls_certificate_free_credentials(pointer)
    case GNUTLS_CRD_PSK: unsafe gnutls_psk_free_client_credentials(pointer)
    default: unsafe gnutls_anon_free_client_credentials(pointer)
    }
  }

  private static func handle(
    _ kind: gnutls_credentials_type_t, _ allocate: (UnsafeMutablePointer<OpaquePointer?>) -> CInt
  ) -> CredentialsHandle {
    var made: OpaquePointer?
    unsafe _ = allocate(&made)
    guard let made = unsafe made else { preconditionFailure("no memory") }
    return unsafe CredentialsHandle(kind: kind, pointer: UnsafeMutableRawPointer(made))
  }

  /// Excludes the key exchanges of the other methods, so that only the requested one can be used.
  ///
  /// With a pre-shared key, only those with forward secrecy are allowed.
  private static func priority(_ settings: Settings) throws(CredentialsError) -> String {
    let start = settings.priority ?? "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
    let whole =
      switch settings.method {
      case .certificate: start
      case .preSharedKey: start + ":-KX-ALL:+ECDHE-PSK:+DHE-PSK"
      case .anonymous: start + ":-VERS-TLS1.3:-KX-ALL:+ANON-ECDH:+ANON-DH"
      }
    if let rest = flaw(in: whole) { throw .priority(whole, from: rest) }
    return whole
  }

  private static func flaw(in priority: String) -> String? {
    var cache: gnutls_priority_t?
    return unsafe priority.withCString { text in
      var place: UnsafePointer<CChar>?
      let code = unsafe gnutls_priority_init(&cache, text, &place)
      unsafe gnutls_priority_deinit(cache)
      if code >= 0 { return nil }
      return unsafe place.map { unsafe String(cString: $0) } ?? ""
    }
  }

  private func trust() throws(CredentialsError) {
    let credentials = unsafe OpaquePointer(handle.pointer)
    guard let file = settings.caFile else {
      let count = unsafe gnutls_certificate_set_x509_system_trust(credentials)
      if count > 0 { return }
      throw .noSystemTrust(reason: count < 0 ? reason(count) : "there are none")
    }
    let count = unsafe withDatum(try publicBytes(of: file)) {
      unsafe gnutls_certificate_set_x509_trust_mem(credentials, $0, GNUTLS_X509_FMT_PEM)
    }
    if count > 0 { return }
    throw .unusable(
      .authorities, file: file, reason: count < 0 ? reason(count) : "there are none")
  }

  /// Reads the revocation lists; revoked authorities in a server's chain count as well.
  ///
  /// The dates of a list and of its next update are ignored.
  private func distrust() throws(CredentialsError) {
    guard let file = settings.revocationFile else { return }
    let count = unsafe withDatum(try publicBytes(of: file)) {
      unsafe gnutls_certificate_set_x509_crl_mem(
        OpaquePointer(handle.pointer), $0, GNUTLS_X509_FMT_PEM)
    }
    if count > 0 { return }
    throw .unusable(
      .revocations, file: file, reason: count < 0 ? reason(count) : "there are none")
  }

  private func identify() throws(CredentialsError) {
    guard let certificateFile = settings.certificateFile else {
      if settings.keyFile != nil { throw .missing(.certificate) }
      return
    }
    guard let keyFile = settings.keyFile else { throw .missing(.key) }
    let chain = try publicBytes(of: certificateFile)
    var error: CInt = 0
    guard let own = Certificate(chain, GNUTLS_X509_FMT_PEM, error: &error) else {
      throw .unusable(.certificate, file: certificateFile, reason: reason(error))
    }
    if own.ends < .now { throw .expired(file: certificateFile, on: own.ends) }
    if own.begins > .now { throw .notYetValid(file: certificateFile, before: own.begins) }
    let secret = try secretBytes(of: keyFile)
    let code = unsafe withDatum(chain) { chain in
      unsafe withDatum(secret) { secret in
        unsafe gnutls_certificate_set_x509_key_mem2(
          OpaquePointer(handle.pointer), chain, secret, GNUTLS_X509_FMT_PEM, nil, 0)
      }
    }
    if code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH {
      throw .mismatch(certificateFile: certificateFile, keyFile: keyFile)
    }
    if code < 0, secret.contains("ENCRYPTED".utf8) { throw .encrypted(file: keyFile) }
    if code < 0 { throw .unusable(.key, file: keyFile, reason: reason(code)) }
  }

  /// When the certificates in our files end, by file: our own, and the last of the authorities'.
  ///
  /// Reads the files; blocks while reading.
  package func certificateEnds() throws(CredentialsError) -> [(file: String, end: Time)] {
    var ends: [(file: String, end: Time)] = []
    for file in [settings.caFile, settings.certificateFile] {
      guard settings.method == .certificate, let file else { continue }
      let certificates = Certificate.all(in: try publicBytes(of: file))
      // Of our own, the first; what follows is its chain.
      let counted = file == settings.caFile ? certificates[...] : certificates.prefix(1)
      if let end = counted.map(\.ends).max() { ends.append((file, end)) }
    }
    return ends
  }
}
