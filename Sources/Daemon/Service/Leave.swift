// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI
internal import Relay

/// The end of the daemon for a restart: kept devices are left to the next nbdd as they are, and everything else is
/// detached as in a stop.
final class Leave {
  private unowned let manager: Manager
  private var deadline: Loop.Timer?
  private var waiting: Set<String> = []

  /// A relay takes at most a second.
  private static let limit = Duration.seconds(2)

  init(_ manager: Manager) {
    self.manager = manager
  }

  func begin() {
    ServiceManager.stopping()
    Journal.info("restarting: devices stay attached")
    for device in manager.sorted where device.attachment?.isKept == true {
      waiting.insert(device.name)
      device.leave()
    }
    deadline = Loop.timer(after: Self.limit) { self.end() }
    proceed(nil)
  }

  /// Called when a device has been left, or has ended meanwhile.
  func proceed(_ name: String?) {
    if let name { waiting.remove(name) }
    if waiting.isEmpty { end() }
  }

  private func end() {
    deadline = nil
    manager.stop()
  }
}
