// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import Linux

/// The mount unit of a device's declared mount (systemd.mount(5)).
///
/// It is bound to the device by its name in /dev/disk/by-id, and outlives nbdd as the device does.
nonisolated struct MountUnit: Sendable, Equatable {
  /// As "srv-db.mount".
  let name: String
  /// The unit of the device that it starts with, as "dev-disk-by\x2did-nbd\x2ddb.device".
  let deviceUnit: String
  let text: String

  /// The first line, by which nbdd recognizes what it has made.
  static let mark = "# Made by nbdd-generator"

  /// Nil if systemd cannot mount there: the path has symbolic links, or bytes that a unit cannot contain.
  init?(_ configuration: DeviceConfiguration, file: String) {
    guard let mount = configuration.mount else { return nil }
    let path = mount.path
    let isPlain = !path.utf8.contains { $0 < 0x20 || $0 == 0x7f || $0 == UInt8(ascii: "\\") }
    guard isPlain, path.first != " ", path.last != " ", File.realPath(path) == path else {
      return nil
    }
    let device = DeviceLink.path(configuration.name)
    name = "\(Self.escaped(path)).mount"
    deviceUnit = "\(Self.escaped(device)).device"
    let options =
      ["_netdev", "nofail"] + mount.options + (configuration.readOnly ? ["ro"] : [])
    var lines = [
      Self.mark, "", "[Unit]",
      "Description=File system of the network block device \(configuration.name)",
      // Not Wants=: a device that appears while nbdd stops would have it started again.
      "Documentation=man:nbdd(8)", "SourcePath=\(file)", "After=nbdd.service",
    ]
    if mount.check, !configuration.readOnly {
      let check = "systemd-fsck@\(Self.escaped(device)).service"
      lines += ["Requires=\(check)", "After=\(check)"]
    }
    lines += ["", "[Mount]", "What=\(device)", "Where=\(Self.literal(path))"]
    if let type = mount.type { lines.append("Type=\(type)") }
    lines += [
      "Options=\(Self.literal(options.joined(separator: ",")))",
      // Killed in the middle, fsck does harm, and umount does not stop to write back.
      "TimeoutSec=infinity", "",
    ]
    text = lines.joined(separator: "\n")
  }

  /// The units for all devices with mounts, but not where the administrator has said something else.
  static func all(_ configuration: Configuration) -> [MountUnit] {
    let places = Set(fstab)
    return configuration.devices.values.sorted { $0.configuration.name < $1.configuration.name }
      .compactMap { declaration in
        guard let path = declaration.configuration.mount?.path, !places.contains(path),
          let unit = MountUnit(declaration.configuration, file: declaration.file),
          !["/etc", "/run"].contains(where: { isThere("\($0)/systemd/system/\(unit.name)") })
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

  private static func isThere(_ path: String) -> Bool { (try? File.exists(path)) ?? false }

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
