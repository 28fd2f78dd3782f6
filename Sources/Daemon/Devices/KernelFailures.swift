// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Glibc

/// Why a kernel device cannot be attached, and what to do about it.
nonisolated extension Failure {
  init(_ error: SystemError, opening index: Int) {
    let path = DeviceNode.path(index)
    switch error.errno {
    case ENOENT, ENXIO, ENODEV:
      self.init(.kernel, "\(path): \(error.reason); \(KernelDriver.hint)")
    case EPERM, EACCES:
      self.init(
        .kernel, "\(path): \(error.reason); attaching needs CAP_SYS_ADMIN and access to the node",
        isPersistent: true)
    default: self.init(.kernel, "\(path): \(error)")
    }
  }

  /// A kernel device is in use; says by whom.
  init(inUse index: Int) {
    let holders = (Holders.attacher(of: index).map { [$0] } ?? []) + Holders.describe(index)
    let reason = holders.isEmpty ? "held by an unknown process" : holders.joined(separator: ", ")
    self.init(.kernel, "\(DeviceNode.path(index)) is in use: \(reason)", holders: holders)
    isInUse = true
  }
}

nonisolated extension KernelDriver {
  /// What to do if there is no kernel device, or not the requested one.
  static var hint: String {
    switch (Sysfs.isDriverLoaded, Sysfs.devices().count) {
    case (false, 0): "the nbd driver is not loaded; load it with: modprobe nbd"
    case (true, 0):
      "the nbd driver is loaded, but without devices (nbds_max=0); load it again: modprobe -r nbd; "
        + "modprobe nbd nbds_max=16"
    case (_, let count):
      "the nbd driver has \(count) devices; for more, load it again: modprobe -r nbd; "
        + "modprobe nbd nbds_max=N"
    }
  }
}
