// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
internal import Glibc
internal import Linux
internal import NBD
internal import Varlink

extension ControlSocket.Peer {
  /// Whether the peer may do everything: root, and the user that nbdd runs as.
  nonisolated var isRoot: Bool { user == 0 || user == geteuid() }
}

extension DeviceConfiguration {
  /// The keys of a context given to Attach that only root may give.
  ///
  /// nbdd acts on them as root: it opens the files that they name, including a UNIX socket, and
  /// mounts where and how they say. For all other callers that would be a way to become root.
  nonisolated func keysForRoot(in given: JSON) -> [String] {
    var keys = Self.keys.filter(\.description.isForRoot).map(\.name)
      .filter { given[$0].map { !$0.isNull } ?? false }
    if case .unix = uri.transport { keys.append("uri") }
    return keys
  }
}

extension ControlError {
  static func onlyRoot(_ keys: [String]) -> ControlError {
    let names = keys.map { $0 == "uri" ? "a URI with a UNIX socket" : $0 }
    return .onlyRoot(
      RestrictedKeys(
        keys: keys,
        message:
          "only root may attach with \(names.joined(separator: ", ")), because nbdd opens and mounts "
          + "as root; members of the socket's group may attach what a configuration file declares"))
  }
}
