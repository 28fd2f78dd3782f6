// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import ControlAPI

/// The declared mount of a device, beside those of others.
extension Device {
  /// The mount is declared, and something other than nbdd has unmounted it.
  var isMountMissing: Bool {
    lifecycle.phase == .attached && configuration.mount != nil && !isMounted
  }

  /// Whether the device is mounted as declared.
  var isMounted: Bool {
    guard let mount = configuration.mount, let index else { return false }
    return Mounts.now.has(index, at: mountPoint ?? mount.path)
  }

  /// The device whose mount has to come first, because this one's is below it; nil if none is awaited.
  ///
  /// A device that is detached is not awaited.
  var unmountedOuter: Device? {
    guard let path = configuration.mount?.path, !isMounted else { return nil }
    return manager.sorted.first { other in
      guard other !== self, other.lifecycle.phase != .detached,
        let outer = other.configuration.mount?.path
      else { return false }
      return outer != path && isPath(path, within: outer) && !other.isMounted
    }
  }

  /// Why a mount below this device's waits.
  var waitingFailure: Failure {
    Failure(.mount, "waits for \(configuration.mount?.path ?? "") of the device \(name)")
  }

  /// Takes back what systemd was asked for, in a stop: it mounts after nbdd, so only when nbdd has ended.
  func cancelMounting() {
    guard case .mounting = lifecycle.phase, let path = configuration.mount?.path else { return }
    run { if let unit = SystemdMounts.unit(at: path) { _ = try? SystemdMounts.stop(unit) } }
  }

  /// Mounts what has waited for the mount of another device, if that is there now.
  func mountAfterOuter() {
    guard awaitsOuter, lifecycle.phase == .attached, unmountedOuter == nil else { return }
    awaitsOuter = false
    attach()
  }
}
