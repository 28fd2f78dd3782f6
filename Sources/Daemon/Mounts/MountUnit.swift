// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import Linux

/// The mount unit of a device's declared mount (systemd.mount(5)).
///
/// It is bound to the device by its name in /dev/disk/by-id, and outlives nbdd as the device does.
nonisolated struct MountUnit: Sendable, Equatable {
  /// As "srv-db.mount".
  let name: String
  /// What it mounts, as "/dev/disk/by-id/nbd-db".
  let what: String
  private let description: String
  private let path: String
  private let type: String?
  private let options: String
  private let isChecked: Bool
  private let deviceTimeout: Duration?
  /// The configuration file; nil for a device that was attached by its URI.
  private let file: String?

  /// The first line, by which nbdd recognizes what it has made.
  static let mark = "# Made by nbdd-generator"

  /// Nil if systemd cannot mount there: the path has symbolic links, or bytes that a unit cannot contain.
  init?(_ configuration: DeviceConfiguration, file: String?) {
    guard let mount = configuration.mount else { return nil }
    let path = mount.path
    let isPlain = !path.utf8.contains { $0 < 0x20 || $0 == 0x7f || $0 == UInt8(ascii: "\\") }
    guard isPlain, path.first != " ", path.last != " ", File.realPath(path) == path else {
      return nil
    }
    name = "\(Self.escaped(path)).mount"
    what = DeviceLink.path(configuration.name, partition: mount.partition)
    description = "File system of the network block device \(configuration.name)"
    self.path = path
    type = mount.type
    options = (["_netdev", "nofail"] + mount.options + (configuration.readOnly ? ["ro"] : []))
      .joined(separator: ",")
    isChecked = mount.check && !configuration.readOnly
    deviceTimeout = mount.deviceTimeout
    self.file = file
  }

  /// The unit of the device that it starts with, as "dev-disk-by\\x2did-nbd\\x2ddb.device".
  var deviceUnit: String { "\(Self.escaped(what)).device" }

  /// The unit file.
  var text: String {
    var lines = [
      Self.mark, "", "[Unit]", "Description=\(description)",
      // Not Wants=: a device that appears while nbdd stops would have it started again.
      "Documentation=man:nbdd(8)",
    ]
    if let file { lines.append("SourcePath=\(file)") }
    lines.append("After=nbdd.service")
    if isChecked {
      let check = "systemd-fsck@\(Self.escaped(what)).service"
      lines += ["Requires=\(check)", "After=\(check)"]
    }
    lines += ["", "[Mount]", "What=\(what)", "Where=\(Self.literal(path))"]
    if let type { lines.append("Type=\(type)") }
    lines += [
      "Options=\(Self.literal(options))",
      // Killed in the middle, fsck does harm, and umount does not stop to write back.
      "TimeoutSec=infinity", "",
    ]
    return lines.joined(separator: "\n")
  }

  /// What is to be added to the unit of the device.
  var deviceText: String? {
    deviceTimeout.map { "\(Self.mark)\n\n[Unit]\nJobRunningTimeoutSec=\($0.milliseconds)ms\n" }
  }

  /// How systemd-mount(1) makes a unit like this that goes when it is stopped.
  var transientCommand: [String] {
    ["systemd-mount", "--quiet", "--collect", "--fsck=\(isChecked ? "yes" : "no")"]
      + ["--description=\(description)", "--options=\(options)", "--property=After=nbdd.service"]
      + ["--property=TimeoutSec=infinity"] + (type.map { ["--type=\($0)"] } ?? [])
      + ["--", what, path]
  }

  /// The units for all devices with mounts, but not where the administrator has said something else.
  static func all(_ configuration: Configuration) -> [MountUnit] {
    let places = Set(fstab)
    return configuration.devices.values.sorted { $0.configuration.name < $1.configuration.name }
      .compactMap { declaration in
        guard let path = declaration.configuration.mount?.path, !places.contains(path),
          let unit = MountUnit(declaration.configuration, file: declaration.file),
          !["/etc", "/run"].contains(where: { File.isThere("\($0)/systemd/system/\(unit.name)") })
        else { return nil }
        return unit
      }
  }

  /// The mount points in /etc/fstab.
  private static var fstab: [String] {
    (File.contents(of: "/etc/fstab") ?? "").split(separator: "\n").compactMap { line in
      let fields = line.split { $0 == " " || $0 == "\t" }
      guard fields.count > 1, !fields[0].hasPrefix("#") else { return nil }
      return String(fields[1])
    }
  }

  /// A path as it is in names of units (systemd-escape(1)).
  static func escaped(_ path: String) -> String {
    let parts = path.split(separator: "/")
    guard !parts.isEmpty else { return "-" }
    var name = ""
    for (index, byte) in parts.joined(separator: "/").utf8.enumerated() {
      switch byte {
      case UInt8(ascii: "/"): name += "-"
      case UInt8(ascii: ".") where index > 0, UInt8(ascii: "_"), UInt8(ascii: ":"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "a")...UInt8(ascii: "z"):
        name.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16)
        name += "\\x\(digits.count == 1 ? "0" : "")\(digits)"
      }
    }
    return name
  }

  /// Text in which systemd is to see no specifiers.
  private static func literal(_ text: String) -> String { text.replacing("%", with: "%%") }
}
