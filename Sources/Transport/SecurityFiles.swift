// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
package import NBD
package import TLS

/// Where credentials are found unless the URI says so itself.
package struct SecurityFiles: Sendable {
  /// A directory with `ca-cert.pem`, `ca-crl.pem`, `client-cert.pem`, `client-key.pem` and `psk.txt`, as
  /// far as they are needed.
  package var directory: String?
  /// The file with the pre-shared key.
  package var pskFile: String?
  /// GnuTLS's priority string.
  package var priority: String?
  /// The name that the server's certificate has to be for, unless the URI gives one.
  package var hostname: String?
  /// Whether the server is verified, if it is not for the URI to say.
  package var verifyPeer: Bool?

  package init() {}

  /// The credentials for a URI; nil for a scheme without TLS.
  ///
  /// Reads the files (U-014 to U-017). A server is verified by the URI's host, or the name that the URI
  /// gives; a socket that has no host needs one, or the word that nobody is to be verified (N-054).
  package func credentials(for uri: URI) throws(CredentialsError) -> Credentials? {
    guard let tls = uri.tls else { return nil }
    var settings = Credentials.Settings()
    settings.user = tls.user
    settings.verifyPeer = tls.verifyPeer && verifyPeer != false
    settings.priority = priority
    settings.hostname = tls.hostname ?? hostname
    if settings.hostname == nil, case .tcp(let host, _) = uri.transport {
      settings.hostname = host
    }
    let directory = tls.certificates ?? directory
    let pskFile = tls.pskFile ?? pskFile
    switch tls.type ?? (pskFile == nil ? .x509 : .psk) {
    case .x509:
      settings.method = .certificate
      settings.caFile = try Self.file("ca-cert.pem", in: directory)
      settings.revocationFile = try Self.file("ca-crl.pem", in: directory)
      settings.certificateFile = try Self.file("client-cert.pem", in: directory)
      settings.keyFile = try Self.file("client-key.pem", in: directory)
      // One without the other is a fault, which names the file that is missing.
      if let directory, settings.certificateFile != nil || settings.keyFile != nil {
        settings.certificateFile = "\(directory)/client-cert.pem"
        settings.keyFile = "\(directory)/client-key.pem"
      }
    case .psk:
      settings.method = .preSharedKey
      settings.pskFile = pskFile ?? directory.map { "\($0)/psk.txt" }
    case .anonymous:
      settings.method = .anonymous
    }
    return try Credentials(settings)
  }

  /// The path of a file that may be absent.
  ///
  /// A directory that is not there is a fault: a slip in its name must not end in trusting the system's
  /// authorities instead of the user's.
  private static func file(
    _ name: String, in directory: String?
  ) throws(CredentialsError) -> String? {
    guard let directory else { return nil }
    let path = "\(directory)/\(name)"
    do throws(SystemError) {
      guard try File.exists(directory) else { throw SystemError("open \(directory)", ENOENT) }
      return try File.exists(path) ? path : nil
    } catch {
      throw .unreadable(file: path, error)
    }
  }
}
