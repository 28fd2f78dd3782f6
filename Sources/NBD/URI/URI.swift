// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Where an export is and how to reach it (uri.md).
///
/// `description` is a URI that parses back to the same value. It contains the TLS user name; it cannot
/// contain a password.
package struct URI: Sendable, Equatable {
  /// Where the server is.
  package var transport: Transport
  /// The empty name is the server's default export.
  package var exportName: String
  /// How to secure the connection; nil for the schemes without TLS.
  package var tls: TLS?
  /// The parameters whose keys start with `x-`: kept but ignored (U-018).
  package var extensions: [String: String]

  /// The kind of connection.
  package enum Transport: Sendable, Hashable {
    /// A name or an address; an IPv6 address has no brackets.
    case tcp(host: String, port: UInt16)
    /// The content of `sun_path`: a path without a closing NUL, or a NUL and an abstract name of exactly
    /// the bytes that follow (U-012).
    case unix(path: [UInt8])
    /// A virtual machine, or its host, by number (U-022).
    case vsock(cid: UInt32, port: UInt32)
  }

  /// What the URI says about TLS.
  package struct TLS: Sendable, Equatable {
    /// The kind of credentials; nil leaves it to the configuration.
    package var type: Authentication?
    /// The name to verify in the server's certificate instead of the host.
    package var hostname: String?
    /// Whether the server's identity is verified.
    package var verifyPeer = true
    /// The user name for a pre-shared key; nil means the name of the user who runs the client.
    package var user: String?
    /// The directory of the certificates (U-017).
    package var certificates: String?
    /// The file with the pre-shared key (U-017).
    package var pskFile: String?

    package init() {}
  }

  /// How the two sides authenticate.
  package enum Authentication: String, Sendable, CaseIterable {
    /// Not at all.
    case anonymous = "anon"
    /// By certificates.
    case x509
    /// By a pre-shared key.
    case psk
  }

  /// What the caller permits a URI to request (U-017, U-023).
  package struct Permissions: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The schemes `nbd` and `nbds`.
    package static let tcp = Permissions(rawValue: 1 << 0)
    /// The schemes that end in `+unix`.
    package static let unix = Permissions(rawValue: 1 << 1)
    /// The schemes that end in `+vsock`.
    package static let vsock = Permissions(rawValue: 1 << 2)
    /// A connection without TLS.
    package static let plain = Permissions(rawValue: 1 << 3)
    /// A connection with TLS.
    package static let tls = Permissions(rawValue: 1 << 4)
    /// Naming files of this machine that hold credentials.
    package static let localFiles = Permissions(rawValue: 1 << 5)

    /// Everything but naming local files.
    package static let usual: Permissions = [.tcp, .unix, .vsock, .plain, .tls]
  }

  /// The port if none is given.
  package static let defaultPort: UInt16 = 10809
}

/// Why a text is not a URI for NBD.
package struct URIError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Where in the text, in characters from 0.
  package var position: Int
  /// What was found and what was expected; never a password.
  package var message: String
  /// The URI that was probably meant.
  package var suggestion: String?

  init(position: Int, message: String, suggestion: String? = nil) {
    self.position = position
    self.message = message
    self.suggestion = suggestion
  }

  package var description: String { "\(message) (at character \(position))\(question)" }

  /// A question for the user about the suggestion, if there is one.
  package var question: String { suggestion.map { "; did you mean \($0)?" } ?? "" }
}

extension URI: CustomStringConvertible {
  /// The URI in its shortest form (U-024).
  package var description: String {
    let scheme = tls == nil ? "nbd" : "nbds"
    let user = tls?.user.map { $0.utf8.percentEncoded() + "@" } ?? ""
    let authority: String
    var parameters: [(String, String)] = []
    switch transport {
    case .tcp(let host, let port):
      let encoded = host.contains(":") ? "[\(host.escapingZone)]" : host.utf8.percentEncoded()
      authority = "://\(user)\(encoded):\(port)"
    case .unix(let path):
      authority = "+unix://\(user)"
      parameters.append(("socket", path.percentEncoded(keeping: "/")))
    case .vsock(let cid, let port):
      authority = "+vsock://\(user)\(cid):\(port)"
    }
    if let tls { parameters += tls.parameters }
    parameters += extensions.sorted { $0.key < $1.key }
      .map { ($0.utf8.percentEncoded(), $1.utf8.percentEncoded(keeping: "/:")) }
    let query = parameters.map { "\($0)=\($1)" }.joined(separator: "&")
    return scheme + authority + "/" + exportName.utf8.percentEncoded(keeping: "/:")
      + (query.isEmpty ? "" : "?" + query)
  }
}

extension URI.TLS {
  /// The settings that differ from the defaults, as keys and encoded values.
  fileprivate var parameters: [(String, String)] {
    let optional: [(String, String?)] = [
      ("tls-type", type?.rawValue), ("tls-hostname", hostname),
      ("tls-verify-peer", verifyPeer ? nil : "0"), ("tls-certificates", certificates),
      ("tls-psk-file", pskFile),
    ]
    return optional.compactMap { key, value in
      value.map { (key, $0.utf8.percentEncoded(keeping: "/:")) }
    }
  }
}

extension String {
  /// An IPv6 address with the zone separator encoded for a URI (RFC 6874).
  fileprivate var escapingZone: String {
    guard let percent = firstIndex(of: "%") else { return self }
    return self[..<percent] + "%25" + self[index(after: percent)...].utf8.percentEncoded()
  }
}
