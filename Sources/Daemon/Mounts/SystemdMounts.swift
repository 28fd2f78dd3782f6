// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import ControlAPI
internal import Linux

/// Declared mounts that systemd makes, by systemctl(1).
///
/// All of it blocks.
nonisolated enum SystemdMounts {
  private static let generated = "/run/systemd/generator"

  /// systemd runs, and has nbdd's generator.
  private static var isUsed: Bool {
    let places = ["/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"]
    return isThere("/run/systemd/system")
      && places.contains { isThere("\($0)/system-generators/\(Generator.program)") }
  }

  /// Lets systemd run the generator if that would change something.
  static func refresh(_ configuration: Configuration) {
    guard isUsed else { return }
    let wanted = MountUnit.all(configuration)
    let present = Directory.names(in: generated).filter { name in
      name.hasSuffix(".mount") && File.firstLine(of: "\(generated)/\(name)") == MountUnit.mark
    }
    guard !wanted.allSatisfy(isCurrent) || present.count != wanted.count else { return }
    _ = try? reload()
  }

  // MARK: mounting

  /// The unit by which systemd mounts a device; nil: nbdd mounts it by itself, because there is no systemd, no udev, or
  /// the device is declared in no file that the generator reads.
  static func unit(of remembered: RememberedDevice) throws(Failure) -> MountUnit? {
    let configuration = remembered.configuration
    guard isUsed, let file = remembered.file, let mount = configuration.mount,
      Configuration.defaultDirectories.contains(where: { file.hasPrefix("\($0)/") }),
      let unit = MountUnit(configuration, file: file),
      // The generator does not know what the server says, and fsck refuses a device that cannot be written.
      !(mount.check && remembered.isReadOnly && !configuration.readOnly),
      File.realPath(DeviceLink.path(configuration.name)) == DeviceNode.path(remembered.index)
    else { return nil }
    if !isCurrent(unit) { try reload() }
    let path = property("FragmentPath", of: unit.name) ?? ""
    // The generator was masked, for example.
    if path.isEmpty { return nil }
    guard isCurrent(unit), path == "\(generated)/\(unit.name)" else {
      throw Failure(
        .mount,
        "systemd has another unit for \(mount.path) (\(path)); remove that or its line in /etc/fstab, or leave "
          + "'mount' out of \(file)")
    }
    return unit
  }

  /// Mounts a device, and waits until it is mounted.
  static func start(_ unit: MountUnit) throws(Failure) -> ChildProcess.Result {
    // It must not cancel a stop that has begun meanwhile.
    let result = try Mounting.run(["systemctl", "start", "--job-mode=fail", "--", unit.name])
    guard result.status != 0 else { return result }
    // What mount(8) and fsck(8) say is in the journal.
    let words = [
      "-q", "-b", "-o", "cat", "-n", "2", "--since", "-1min", "_SYSTEMD_UNIT=\(unit.name)",
    ]
    let said = try? Mounting.run(["journalctl", "--no-pager"] + words, within: .seconds(5))
    guard let said, said.status == 0, !said.output.isEmpty else { return result }
    return ChildProcess.Result(status: result.status, output: said.output)
  }

  // MARK: unmounting

  /// The unit by which nbdd has something mounted at a path.
  static func unit(at path: String) -> String? {
    let name = "\(MountUnit.escaped(path)).mount"
    guard isUsed, File.firstLine(of: "\(generated)/\(name)") == MountUnit.mark else { return nil }
    return name
  }

  /// The active units that systemd would stop together with a unit.
  static func dependents(of unit: String) -> [String] {
    let names = ["RequiredBy", "BoundBy"].flatMap { relation in
      (property(relation, of: unit) ?? "").split(separator: " ").map(String.init)
    }
    return Set(names).sorted().filter { name in
      property("ActiveState", of: name).map { $0 == "active" || $0 == "activating" } ?? false
    }
  }

  static func stop(_ unit: String) throws(Failure) -> ChildProcess.Result {
    try Mounting.run(["systemctl", "stop", "--", unit])
  }

  // MARK: systemctl

  private static func reload() throws(Failure) {
    _ = try Mounting.run(["systemctl", "daemon-reload"])
  }

  private static func isCurrent(_ unit: MountUnit) -> Bool {
    File.contents(of: "\(generated)/\(unit.name)") == unit.text
  }

  private static func property(_ name: String, of unit: String) -> String? {
    let result = try? Mounting.run(["systemctl", "show", "-p", name, "--value", "--", unit])
    guard let result, result.status == 0 else { return nil }
    return result.output.filter { $0 != "\n" }
  }

  private static func isThere(_ path: String) -> Bool { (try? File.exists(path)) ?? false }
}
