// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Linux

/// The declared mount, by systemd, or by mount(8), umount(8) and fsck(8).
///
/// All of it blocks.
nonisolated enum Mounting {
  /// Mounts a device as its configuration declares, unless that was done already; returns the mount point's real path.
  ///
  /// The path may lead through another device of nbdd, and wait for it.
  static func mount(_ remembered: RememberedDevice) throws(Failure) -> String {
    guard let mount = remembered.configuration.mount else {
      throw Failure(.mount, "no mount is declared")
    }
    let (index, readOnly) = (remembered.index, remembered.isReadOnly)
    let device = try node(of: mount, on: index)
    // The helper of an nbdd that was killed meanwhile may still check or mount it.
    let lock = try? AttachNote.lock(index)
    defer { withExtendedLifetime(lock) {} }
    // A path below a mount of the device itself is not looked at: that could wait for the device.
    guard !isMounted(mount.path, index) else { return mount.path }
    try makeDirectory(mount.path)
    let path = File.realPath(mount.path)
    guard !isMounted(path, index) else { return path }
    try clear(path)
    if let unit = try SystemdMounts.unit(of: remembered) {
      let result = try SystemdMounts.start(unit)
      guard result.status == 0, isMounted(path, index) else {
        throw mountFailed(device, asked: mount.type, failed("start of \(unit.name)", result))
      }
      return path
    }
    if mount.check && !readOnly {
      // -a repairs what is safe; 0 is clean, 1 repaired.
      let result = try run(["fsck", "-a", "-T", device])
      guard result.status <= 1 else { throw failed("fsck \(device)", result) }
    }
    let type = mount.type.map { ["-t", $0] } ?? []
    let options = mount.options + (readOnly ? ["ro"] : [])
    let arguments = options.isEmpty ? [] : ["-o", options.joined(separator: ",")]
    let result = try run(["mount"] + type + arguments + ["--", device, path])
    guard result.status == 0 else {
      throw mountFailed(device, asked: mount.type, failed("mount \(device) at \(path)", result))
    }
    return path
  }

  /// The node of the device or partition that has the file system.
  private static func node(
    of mount: DeviceConfiguration.Mount, on index: Int
  ) throws(Failure) -> String {
    let node = DeviceNode.path(index, partition: mount.partition)
    guard mount.partition == nil || Sysfs.partitions(of: index).contains(node) else {
      let partitions = Sysfs.partitions(of: index)
      let others = partitions.isEmpty ? "no partitions" : partitions.joined(separator: ", ")
      throw Failure(
        .mount, "there is no partition \(node); the device has \(others)")
    }
    return node
  }

  /// Finds out whether anything would keep a device in use after it was unmounted from a path: then it must not be
  /// unmounted, because what is written to the path would go elsewhere until it is mounted again.
  static func checkUsers(_ index: Int, without path: String) throws(Failure) {
    guard isMounted(path, index) else { return }
    // systemd stops what requires a mount unit together with it.
    let dependents = SystemdMounts.unit(at: path).map(SystemdMounts.dependents(of:)) ?? []
    let users =
      dependents.map { "required by \($0), which is active" }
      + Holders.staying(index, without: path)
    guard !users.isEmpty else { return }
    throw Failure(
      .detach, "\(DeviceNode.path(index)) is in use: \(users.joined(separator: ", "))",
      holders: users)
  }

  /// Unmounts a device from its mount point, given by its real path, if it is mounted there.
  ///
  /// Lazily: out of the tree at once, though processes still have it open.
  static func unmount(_ path: String, _ index: Int, lazily: Bool) throws(Failure) {
    if !lazily, isMounted(path, index), let unit = SystemdMounts.unit(at: path) {
      let result = try SystemdMounts.stop(unit)
      guard isMounted(path, index) else { return }
      throw inUse(path, failed("systemctl stop \(unit)", result))
    }
    // Several mounts of the device can be stacked on one path.
    while isMounted(path, index) { try unmountTopmost(path, lazily: lazily) }
  }

  private static func unmountTopmost(_ path: String, lazily: Bool) throws(Failure) {
    let result = try run(["umount"] + (lazily ? ["-l"] : []) + ["--", path])
    if result.status != 0 { throw inUse(path, failed("umount \(path)", result)) }
  }

  /// Who keeps a mount busy; `failure` if nobody can be found.
  private static func inUse(_ path: String, _ failure: Failure) -> Failure {
    let below = MountTable().paths(below: path).map { "\(shown($0)) is mounted in it" }
    let users = below + Holders.processes(usingMountAt: path)
    guard !users.isEmpty else { return failure }
    return Failure(
      .detach, "\(path) is in use: \(users.joined(separator: ", "))", holders: users)
  }

  /// Unmounts what an nbdd that died left mounted at a path.
  ///
  /// Any other mount there stays, and is an error.
  private static func clear(_ path: String) throws(Failure) {
    while let mounted = Holders.mount(at: path) {
      let index = Sysfs.index(of: mounted.source)
      guard index.map(AttachNote.isAbandoned) == true else {
        let owner = index.flatMap(Holders.attacher(of:)).map { " (\($0))" } ?? ""
        throw Failure(
          .mount,
          "\(shown(mounted.source))\(owner) is mounted at \(path) already; unmount it, or mount elsewhere"
        )
      }
      try unmountTopmost(path, lazily: false)
    }
  }

  static func isMounted(_ path: String, _ index: Int) -> Bool {
    MountTable().has(index, at: path)
  }

  private static func makeDirectory(_ path: String) throws(Failure) {
    do throws(SystemError) { try Directory.create(path) } catch {
      throw Failure(.mount, "cannot make the mount point: \(error)")
    }
  }

  /// Runs a program, usually without a limit.
  ///
  /// Killed in the middle, fsck(8) does harm, and umount(8) does not stop to write back. When the device is detached by
  /// force, its I/O fails, which ends them.
  static func run(
    _ arguments: [String], within limit: Duration? = nil
  ) throws(Failure) -> ChildProcess.Result {
    do throws(ChildProcess.Failure) {
      return try ChildProcess.run(arguments, within: limit)
    } catch {
      throw Failure(.mount, error.description)
    }
  }

  private static func failed(_ what: String, _ result: ChildProcess.Result) -> Failure {
    let lines = result.output.split(separator: "\n").map { $0.drop { $0 == " " } }
    let reason = lines.joined(separator: " ")
    return Failure(.mount, reason.isEmpty ? "\(what): exit status \(result.status)" : reason)
  }
}
