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
  private static let transient = "/run/systemd/transient"

  /// systemd runs, and has nbdd's generator.
  private static var isUsed: Bool {
    let places = ["/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"]
    return File.isThere("/run/systemd/system")
      && places.contains { File.isThere("\($0)/system-generators/\(Generator.program)") }
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

  /// The unit by which systemd mounts a device; nil: nbdd mounts it by itself, because there is no systemd or no udev.
  static func unit(of remembered: RememberedDevice) throws(Failure) -> MountUnit? {
    let configuration = remembered.configuration
    guard isUsed, let mount = configuration.mount,
      // The generator does not know what the server says, and fsck refuses a device that cannot be written.
      !(mount.check && remembered.isReadOnly && !configuration.readOnly),
      let unit = MountUnit(configuration, file: remembered.file)
    else { return nil }
    if mount.partition != nil { DeviceLink.wait(for: unit.what) }
    guard
      File.realPath(unit.what) == DeviceNode.path(remembered.index, partition: mount.partition)
    else { return nil }
    if isGenerated(remembered), !isCurrent(unit) { try reload() }
    let path = property("FragmentPath", of: unit.name) ?? ""
    guard path.isEmpty || path == "\(generated)/\(unit.name)" && isCurrent(unit) else {
      throw Failure(
        .mount,
        "systemd has another unit for \(mount.path) (\(path)); remove that or its line in /etc/fstab, or leave "
          + "'mount' out of \(remembered.file ?? "the call")")
    }
    return unit
  }

  /// The device is declared in a file that the generator reads.
  private static func isGenerated(_ remembered: RememberedDevice) -> Bool {
    guard let file = remembered.file else { return false }
    return Configuration.defaultDirectories.contains { file.hasPrefix("\($0)/") }
  }

  /// Mounts a device, and waits until it is mounted.
  ///
  /// What no generator has made, systemd-mount(1) makes, until it is stopped.
  static func start(_ unit: MountUnit) throws(Failure) -> ChildProcess.Result {
    // It must not cancel a stop that has begun meanwhile.
    let result = try Mounting.run(
      isCurrent(unit)
        ? ["systemctl", "start", "--job-mode=fail", "--", unit.name] : unit.transientCommand)
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
    guard isUsed else { return nil }
    if File.firstLine(of: "\(generated)/\(name)") == MountUnit.mark { return name }
    let transient = File.contents(of: "\(Self.transient)/\(name)")?.split(separator: "\n") ?? []
    return transient.contains("After=nbdd.service") ? name : nil
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
    let settings = "\(generated)/\(unit.deviceUnit).d/50-nbdd.conf"
    return File.contents(of: "\(generated)/\(unit.name)") == unit.text
      && File.contents(of: settings) == unit.deviceText
  }

  private static func property(_ name: String, of unit: String) -> String? {
    let result = try? Mounting.run(["systemctl", "show", "-p", name, "--value", "--", unit])
    guard let result, result.status == 0 else { return nil }
    return result.output.filter { $0 != "\n" }
  }
}
