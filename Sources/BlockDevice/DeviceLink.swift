// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc
internal import Linux

/// The names of devices in /dev/disk, which udev makes from what nbdd tells its rule.
///
/// The kernel's event for a new device comes from within NBD_DO_IT. So the rule reads a file that nbdd writes before that
/// and removes before the device is disconnected: whenever udev looks, the file says the truth.
package enum DeviceLink {
  private static let directory = "/run/nbdd/by-index"
  package static let rule = "61-nbdd.rules"

  /// Where udev makes the link of a device, or of a partition of it.
  package static func path(_ name: String, partition: Int? = nil) -> String {
    "/dev/disk/by-id/nbd-\(name)" + (partition.map { "-part\($0)" } ?? "")
  }

  /// Tells the rule the name of a device that is about to be attached, and what it is called in /dev/disk/by-path.
  package static func announce(
    _ index: Int, _ name: String, byPath: String?
  ) throws(SystemError) {
    try Directory.create(directory)
    try File.write(
      "\(line(name))\n" + (byPath.map { "NBDD_PATH=\($0)\n" } ?? ""), to: file(index))
  }

  /// Another export is behind an attached device from now on.
  package static func rename(_ index: Int, _ name: String, byPath: String?) {
    guard File.firstLine(of: file(index)) == line(name) else { return }
    try? announce(index, name, byPath: byPath)
    refresh(index)
  }

  /// Takes that back, unless it has become another device since.
  package static func withdraw(_ index: Int, _ name: String) {
    if File.firstLine(of: file(index)) == line(name) { File.remove(file(index)) }
  }

  /// Takes back what an nbdd that died has left of devices that ended with it; those of another nbdd stay.
  package static func withdrawAbandoned() {
    for index in Directory.names(in: directory).compactMap(Sysfs.index(of:))
    where Sysfs.attacher(of: index) == nil || AttachNote.isAbandoned(index) {
      File.remove(file(index))
      refresh(index)
    }
  }

  /// Makes udev look at a device again.
  package static func refresh(_ index: Int) {
    guard let file = try? Descriptor.open("/sys/block/nbd\(index)/uevent", O_WRONLY) else { return }
    _ = unsafe write(file.number, "change", 6)
  }

  /// Waits until a link is there; returns at once if udev does not make links.
  ///
  /// Blocks for at most 5 s.
  package static func wait(for path: String) {
    guard isMade else { return }
    let deadline = ContinuousClock.now + .seconds(5)
    while unsafe access(path, F_OK) != 0, ContinuousClock.now < deadline {
      Thread.pause(.milliseconds(10))
    }
  }

  /// udev runs, and has the rule.
  private static var isMade: Bool {
    let places = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"]
    return unsafe access("/run/udev/control", F_OK) == 0
      && places.contains { unsafe access("\($0)/udev/rules.d/\(rule)", F_OK) == 0 }
  }

  private static func file(_ index: Int) -> String { "\(directory)/nbd\(index)" }
  private static func line(_ name: String) -> String { "NBDD_NAME=\(name)" }
}
