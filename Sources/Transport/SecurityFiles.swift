// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
package import NBD
package import TLS

/// Where to find credentials that the URI does not specify.
package struct SecurityFiles: Sendable {
  /// A directory with those of `ca-cert.pem`, `ca-crl.pem`, `client-cert.pem`, `client-key.pem` and
  /// `psk.txt` that are needed.
  package var directory: String?
  /// The file with the pre-shared key.
  package var pskFile: String?
  /// GnuTLS's priority string.
  package var priority: String?
  /// The name that the server's certificate must be valid for, unless the URI gives one.
  package var hostname: String?
  /// Whether to verify the server, if the URI does not decide that.
  package var verifyPeer: Bool?

  package init() {}

  /// Returns the credentials for a URI; nil for a scheme without TLS.
  ///
  /// Reads the files (U-014 to U-017). A server is verified by the URI's host, or by the name that the URI
  /// gives; a socket, which has no host, needs a name, or verification turned off (N-054).
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
      // One without the other is an error that names the missing file.
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

  /// Returns the path of a file that may be absent.
  ///
  /// A missing directory is an error: a typo in its name must not result in trusting the system's
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
