// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux

/// nbdd as nbdd-generator: at boot and at each daemon-reload, tells systemd the declared mounts (systemd.generator(7)).
///
/// It must be quick, and does nothing but read files and write files.
nonisolated enum Generator {
  static let program = "nbdd-generator"

  /// Whether the program was started by that name.
  static var isCalled: Bool {
    (Arguments.all.first ?? "").split(separator: "/").last.map { $0 == program } ?? false
  }

  /// Writes the units to the directory that systemd names.
  static func main() {
    guard Arguments.all.count > 1 else { return }
    let directory = Arguments.all[1]
    for unit in MountUnit.all(Configuration.read(Configuration.defaultDirectory)) {
      do throws(SystemError) { try write(unit, to: directory) } catch {
        log("\(unit.name): \(error)")
      }
    }
  }

  private static func write(_ unit: MountUnit, to directory: String) throws(SystemError) {
    let path = "\(directory)/\(unit.name)"
    // The generator for fstab may have been quicker, and counts.
    guard try !File.exists(path) else { return }
    try File.write(unit.text, to: path, mode: 0o644)
    if let text = unit.deviceText {
      try Directory.create("\(directory)/\(unit.deviceUnit).d")
      try File.write(text, to: "\(directory)/\(unit.deviceUnit).d/50-nbdd.conf", mode: 0o644)
    }
    // When the device is there, the mount is wanted.
    let wants = "\(directory)/\(unit.deviceUnit).wants"
    try Directory.create(wants)
    try File.link("../\(unit.name)", at: "\(wants)/\(unit.name)")
  }

  /// There is no journal yet at boot.
  private static func log(_ message: String) {
    try? File.write("<4>\(program): \(message)\n", to: "/dev/kmsg", mode: 0o644)
  }
}
