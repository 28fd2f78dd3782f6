// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI

// Exports that several devices would use at the same time.

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

  /// Returns what in a configuration conflicts with the attached devices.
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
      let origin =
        device.file == nil ? "was attached by hand" : "is attached (its file was removed)"
      return
        "device \(name) \(origin) with another export, \(device.configuration.uri); detach it first "
        + "(nbdctl detach \(name)), or rename this file"
    }
    // A conflict that existed before is not a fault of this reload: attempts of the device fail
    // meanwhile.
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
