// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import ControlAPI
internal import Linux

/// The names that udev gives to devices.
enum UdevCheck {
  private static let directories = [
    "/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
  ]

  static func findings(_ devices: [DeviceStatus]) -> [Finding] {
    // Without udev nobody expects such names.
    guard File.isThere("/run/udev/control") else { return [] }
    guard directories.contains(where: { File.isThere("\($0)/\(DeviceLink.rule)") }) else {
      return [
        Finding(
          "udev has no rule \(DeviceLink.rule), so there is no /dev/disk/by-id/nbd-NAME",
          mend: "install nbdd's package, or make install; then udevadm control --reload")
      ]
    }
    return devices.compactMap { device in
      guard device.runtime.state == .attached, let path = device.runtime.device,
        !File.isThere(DeviceLink.path(device.context.name))
      else { return nil }
      return Finding(
        "\(device.context.name) is attached, and udev has made no \(DeviceLink.path(device.context.name))",
        mend: "udevadm trigger --settle \(path)")
    }
  }
}
