// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD

/// The export that a device uses, and how it uses it.
///
/// Two devices with the same export are two caches of one disk: each overwrites what the other has
/// written, unless both only read or a cluster file system coordinates them.
nonisolated struct ExportUse: Sendable, Equatable {
  let export: ExportIdentity
  private let readOnly: Bool
  private let shared: Bool

  /// Accesses the file system if the server has a UNIX socket.
  init(_ configuration: DeviceConfiguration) {
    export = ExportIdentity(configuration.uri)
    readOnly = configuration.readOnly
    shared = configuration.shared
  }

  /// True if the two must not be in use at the same time.
  func clashes(with other: Self) -> Bool {
    export == other.export && !(readOnly && other.readOnly) && !(shared && other.shared)
  }

  /// What can be done about a clash, for people.
  static let remedy =
    "two devices with one export corrupt its data, unless both have \"readOnly\": true, or "
    + "\"shared\": true for a cluster file system"
}

/// An export, however its URI is written: with or without the default port, with a host in
/// capitals, through a symbolic link.
///
/// It is the same export with and without TLS. A name and an address of the same server count as
/// different: comparing them would need the network.
nonisolated struct ExportIdentity: Sendable, Hashable {
  private let transport: URI.Transport
  private let name: String

  init(_ uri: URI) {
    name = uri.exportName
    switch uri.transport {
    case .tcp(let host, let port):
      transport = .tcp(host: Address.canonical(host: host), port: port)
    case .unix(let path) where path.first != 0:
      transport = .unix(path: Array(Self.resolved(String(decoding: path, as: UTF8.self)).utf8))
    case .unix, .vsock: transport = uri.transport
    }
  }

  /// Returns the real path of a socket, which does not exist while its server is down.
  private static func resolved(_ path: String) -> String {
    let real = File.realPath(path)
    guard real == path, let slash = path.lastIndex(of: "/") else { return real }
    let directory = slash == path.startIndex ? "/" : File.realPath(String(path[..<slash]))
    return (directory == "/" ? "" : directory) + path[slash...]
  }
}
