// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
package import Linux
package import NBD
package import TLS

/// Connects to the server of a URI.
extension ServerStream {
  /// Tries every address in order, or only the requested one, and returns a connection to the first that
  /// accepts.
  ///
  /// Blocks as long as the name servers and the pace allow.
  package static func connect(
    to transport: URI.Transport, only wanted: Address? = nil, _ pace: Pace,
    _ credentials: Credentials? = nil,
    interrupt: Wakeup? = nil
  ) throws(ConnectError) -> ServerStream {
    var last = ConnectError.noAddress
    let addresses = if let wanted { [wanted] } else { try addresses(of: transport) }
    for address in addresses {
      do throws(SocketError) {
        return try ServerStream(to: address, pace, credentials, interrupt)
      } catch {
        last = .unreachable(address.description, error)
        if error == .interrupted { break }
      }
    }
    throw last
  }

  private static func addresses(
    of transport: URI.Transport
  ) throws(ConnectError) -> [Address] {
    switch transport {
    case .tcp(let host, let port):
      return try mapError(
        try Address.resolve(host: host, port: port), to: ConnectError.unresolved)
    case .unix(let path):
      guard let address = Address.unix(path: path) else { throw .pathTooLong }
      return [address]
    case .vsock(let cid, let port):
      return [.vsock(cid: cid, port: port)]
    }
  }
}

/// Why there is no connection.
package enum ConnectError: Error, Sendable, Equatable {
  /// The name has no address, or it could not be resolved.
  case unresolved(ResolutionError)
  case noAddress
  /// The path of a UNIX socket is too long.
  case pathTooLong
  /// The last address that was tried, and how it failed.
  case unreachable(String, SocketError)

  /// Whether it failed before an address could be tried.
  package var isResolution: Bool {
    switch self {
    case .unresolved, .noAddress: true
    case .pathTooLong, .unreachable: false
    }
  }
}

extension ConnectError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unresolved(let error): error.description
    case .noAddress: "no address"
    case .pathTooLong: "the socket's path is too long"
    case .unreachable(let address, let error):
      switch error {
      // Where TCP refuses a connection, a vsock resets it.
      case .system(let error) where [ECONNREFUSED, ECONNRESET].contains(error.errno):
        "\(address): connection refused"
      case .system(let error) where error.errno == ENODEV:
        "\(address): there is no such CID"
      case .system(let error) where error.errno == EAFNOSUPPORT:
        "\(address): this kernel has no such kind of address"
      case .system(let error) where error.errno == ENOENT:
        "\(address): there is no such socket"
      case .system(let error): "\(address): \(error.reason)"
      case .timedOut(let time): "\(address): no connection within \(Quantities.exactly(time))"
      default: "\(address): \(error)"
      }
    }
  }
}
