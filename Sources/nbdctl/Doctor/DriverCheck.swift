// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import ControlAPI
internal import Glibc
internal import Linux

/// The kernel, and its driver for NBD.
enum DriverCheck {
  static func findings(_ devices: [DeviceStatus]) -> [Finding] {
    let release = File.firstLine(of: "/proc/sys/kernel/osrelease") ?? ""
    guard Sysfs.isDriverLoaded else { return findings(kernel: release) + [missing(release)] }
    var findings = findings(kernel: release)
    let partitioned = devices.first { $0.context.mount?.partition != nil }
    if let partitioned, Sysfs.maximumPartitions == 0 {
      findings.append(
        Finding(
          "\(partitioned.context.name): mounts a partition, and the driver was loaded with max_part=0",
          mend: "echo 'options nbd max_part=16' > /etc/modprobe.d/nbd.conf; then load it again"))
    }
    let all = Sysfs.devices()
    let isWaiting = devices.contains { $0.runtime.device == nil && $0.runtime.state != .detached }
    if isWaiting, !all.isEmpty, !all.contains(where: Sysfs.isFree) {
      findings.append(
        Finding(
          "all \(all.count) devices of the driver are in use",
          mend:
            "echo 'options nbd nbds_max=\(all.count * 2)' > /etc/modprobe.d/nbd.conf; then load it again"
        ))
    }
    return findings
  }

  private static func missing(_ release: String) -> Finding {
    let command = ["modprobe", "--dry-run", "--quiet", "nbd"]
    let isThere = (try? ChildProcess.run(command, within: .seconds(5)))?.status == 0
    return isThere
      ? Finding("the kernel's driver is not loaded", mend: "modprobe nbd")
      : Finding(
        "the kernel \(release) has no driver for NBD",
        mend:
          "install its modules (Ubuntu: linux-modules-extra-\(release)), or restart after an upgrade of the kernel"
      )
  }

  /// What a kernel of that release is known for.
  static func findings(kernel release: String) -> [Finding] {
    let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
    guard numbers.count == 2 else { return [] }
    guard numbers.lexicographicallyPrecedes([5, 10]) else { return [] }
    return [
      Finding(
        "Linux \(release) corrupts a mounted file system when its device grows (mended in 5.10)",
        mend: "upgrade the kernel; until then do not resize exports that are attached")
    ]
  }
}
