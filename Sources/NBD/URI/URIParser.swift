// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// Parses a URI (uri.md; RFC 3986).
extension URI {
  /// Parses a URI, which may request only what is `allowed` (U-006, U-023).
  package init(parsing source: String, allowing allowed: Permissions = .usual) throws(URIError) {
    let parts = try URIParts(source)
    let scheme = try Scheme(parts.scheme)
    let parameters = try URIParameters(parts.query)

    var tls = scheme.isSecure ? TLS() : nil
    if let user = parts.user {
      guard tls != nil else {
        throw URIError(
          position: user.startIndex, message: "a user name needs TLS, the scheme nbds or nbds+unix")
      }
      tls?.user = try user.text(also: Delimiters.sub)
    }
    try parameters.apply(to: &tls, allowed: allowed)

    exportName = try Self.exportName(parts.path)
    transport = try Self.transport(scheme, parts, parameters)
    self.tls = tls
    extensions = parameters.extensions

    guard allowed.contains(scheme.permission), allowed.contains(scheme.isSecure ? .tls : .plain)
    else {
      throw URIError(position: 0, message: "the scheme '\(scheme.name)' is not allowed here")
    }
  }

  /// The path without its first slash (U-009, U-010).
  private static func exportName(_ path: ArraySlice<Character>) throws(URIError) -> String {
    let name = try path.dropFirst().percentDecoded(also: Delimiters.path)
    if let flaw = NameFlaw(in: name) {
      throw URIError(position: path.startIndex, message: "unusable export name: \(flaw)")
    }
    return String(decoding: name, as: UTF8.self)
  }

  /// Where the server is; rejects parts of another kind of connection (U-008, U-011, U-022).
  private static func transport(
    _ scheme: Scheme, _ parts: URIParts, _ parameters: URIParameters
  ) throws(URIError) -> Transport {
    let socket = parameters.values["socket"]
    if scheme.permission != .unix, let socket {
      throw URIError(
        position: socket.startIndex, message: "'socket' needs the scheme nbd+unix or nbds+unix")
    }
    switch scheme.permission {
    case .unix:
      guard parts.host.isEmpty, parts.port == nil else {
        throw URIError(
          position: parts.host.startIndex, message: "a UNIX socket has neither host nor port")
      }
      guard let socket else {
        throw URIError(position: parts.end, message: "'?socket=' and a path are missing")
      }
      return .unix(path: try socketPath(socket))
    case .vsock:
      guard let cid = UInt32(decimal: parts.host) else {
        throw URIError(
          position: parts.host.startIndex, message: "the host of a vsock is a number, the CID")
      }
      return .vsock(cid: cid, port: try port(parts.port))
    default:
      return .tcp(host: try host(parts.host), port: try port(parts.port))
    }
  }

  /// A path or an abstract name that fits `sun_path` (U-011 to U-013).
  private static func socketPath(_ part: ArraySlice<Character>) throws(URIError) -> [UInt8] {
    let path = try part.percentDecoded(also: Delimiters.parameter)
    let isAbstract = path.first == 0
    guard !path.isEmpty, isAbstract || !path.contains(0) else {
      throw URIError(
        position: part.startIndex, message: "a socket's path is not empty and holds no NUL")
    }
    // A path needs room for its terminating NUL.
    let most = isAbstract ? 108 : 107
    guard path.count <= most else {
      throw URIError(
        position: part.startIndex,
        message: "a socket's path has at most \(most) bytes, this one has \(path.count)")
    }
    return path
  }

  /// A name or an address; localhost if none is given (U-005, U-007).
  private static func host(_ part: ArraySlice<Character>) throws(URIError) -> String {
    guard part.first == "[" else {
      let host = try part.text(also: Delimiters.sub)
      guard host.allSatisfy({ !":/?#[]@% ".contains($0) }), shown(host) == host else {
        throw URIError(position: part.startIndex, message: "this is not the name of a host")
      }
      return host.isEmpty ? "localhost" : host
    }
    let address = part.dropFirst().dropLast()
    let zone = address.firstIndex(of: "%") ?? address.endIndex
    guard address[zone...].isEmpty || address[zone...].starts(with: "%25") else {
      throw URIError(
        position: zone,
        message: "the zone of an address stands behind %25, as in [fe80::1%25eth0]")
    }
    guard part.last == "]", address.contains(":"),
      address[..<zone].allSatisfy({ $0.isASCII && ($0.isHexDigit || $0 == ":" || $0 == ".") })
    else {
      throw URIError(position: part.startIndex, message: "an IPv6 address is expected in brackets")
    }
    return String(address[..<zone]) + (try address[zone...].text(also: ""))
  }

  /// A port; the default one if none is given (U-004, U-022).
  private static func port<Port: FixedWidthInteger>(
    _ part: ArraySlice<Character>?
  ) throws(URIError) -> Port {
    guard let part, !part.isEmpty else { return Port(defaultPort) }
    guard let port = Port(decimal: part), port > 0 else {
      throw URIError(
        position: part.startIndex, message: "a port is a number from 1 to \(Port.max)")
    }
    return port
  }
}

/// The meaning of `nbd`, `nbds` and the other schemes (U-001, U-003).
private struct Scheme {
  let name: String
  let isSecure: Bool
  let permission: URI.Permissions

  init(_ part: ArraySlice<Character>) throws(URIError) {
    name = String(part).lowercased()
    switch name {
    case "nbd", "nbds": permission = .tcp
    case "nbd+unix", "nbds+unix": permission = .unix
    case "nbd+vsock", "nbds+vsock": permission = .vsock
    default:
      throw URIError(
        position: 0,
        message: "the scheme has to be nbd, nbds, nbd+unix, nbds+unix, nbd+vsock or nbds+vsock")
    }
    isSecure = name.hasPrefix("nbds")
  }
}

extension FixedWidthInteger {
  /// Accepts decimal digits only.
  fileprivate init?(decimal part: ArraySlice<Character>) {
    guard part.allSatisfy({ $0.isASCII && $0.isNumber }), let value = Self(String(part)) else {
      return nil
    }
    self = value
  }
}
