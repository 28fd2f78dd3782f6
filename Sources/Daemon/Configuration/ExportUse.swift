// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
internal import Linux
internal import NBD

/// The export that a device uses, and on which terms.
///
/// Two devices with one export are two caches of one disk: each writes over what the other has
/// written, unless both only read or a cluster file system keeps them apart.
nonisolated struct ExportUse: Sendable, Equatable {
  let export: ExportIdentity
  private let readOnly: Bool
  private let shared: Bool

  /// Looks at the file system if the server has a UNIX socket.
  init(_ configuration: DeviceConfiguration) {
    export = ExportIdentity(configuration.uri)
    readOnly = configuration.readOnly
    shared = configuration.shared
  }

  /// True if both must not be in use at a time.
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
/// With TLS or without it is the same export. A name and an address of one server are not found to
/// be the same: that would take the network.
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

  /// The real path of a socket, which is not there while its server is away.
  private static func resolved(_ path: String) -> String {
    let real = realPath(path)
    guard real == path, let slash = path.lastIndex(of: "/") else { return real }
    let directory = slash == path.startIndex ? "/" : realPath(String(path[..<slash]))
    return (directory == "/" ? "" : directory) + path[slash...]
  }
}

extension Device {
  /// An attempt is under way, or the kernel has the device.
  var isUsingExports: Bool {
    index != nil && lifecycle.phase != .waiting && lifecycle.phase != .detached
  }
}

extension Manager {
  /// Fails if another device uses an export that this one is about to connect to.
  func checkExport(of device: Device) throws(Failure) {
    let use = ExportUse(device.configuration)
    guard let other = other(than: device.name, clashingWith: use) else { return }
    throw Failure(
      .connect,
      "\(device.configuration.uri) is attached as device \(other.name) already; detach \(other.name) "
        + "first: \(ExportUse.remedy)", isPersistent: true)
  }

  /// What in a configuration contradicts the devices that are attached.
  func conflicts(_ configuration: Configuration) -> [Problem] {
    configuration.devices.sorted { $0.key < $1.key }.compactMap { name, declaration in
      conflict(name, declaration).map {
        Problem(file: declaration.file, place: declaration.place, message: "uri: \($0)")
      }
    }
  }

  private func conflict(_ name: String, _ declaration: Configuration.Declaration) -> String? {
    let use = ExportUse(declaration.configuration)
    let device = device(named: name)
    if let device, device.lifecycle.phase != .detached, device.file == nil || device.isOrphan,
      !device.uses.contains(where: { $0.export == use.export })
    {
      let origin = device.file == nil ? "was attached by hand" : "is attached, of a removed file,"
      return
        "device \(name) \(origin) with another export, \(device.configuration.uri); detach it first "
        + "(nbdctl detach \(name)), or rename this file"
    }
    // What it had already is no fault of this reload: an attempt of it fails as long as it has to.
    if let device, device.uses.last == use { return nil }
    return other(than: name, clashingWith: use).map {
      "this export is attached as device \($0.name) already; detach \($0.name) first: "
        + ExportUse.remedy
    }
  }

  private func other(than name: String, clashingWith use: ExportUse) -> Device? {
    devices.values.first { other in
      other.name != name && other.isUsingExports && other.uses.contains { $0.clashes(with: use) }
    }
  }
}
