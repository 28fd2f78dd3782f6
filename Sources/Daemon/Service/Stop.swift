// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI

/// The end of the daemon: everything is detached, then the process ends.
///
/// With 0, or with 1 if something was still in use at the stop timeout and had to be given up.
final class Stop {
  private unowned let manager: Manager
  private var deadline: Loop.Timer?
  private var retry: Loop.Timer?
  private var isForced = false

  init(_ manager: Manager) {
    self.manager = manager
  }

  func begin() {
    ServiceManager.stopping()
    ServiceManager.extendTimeout(manager.stopTimeout + .seconds(30))
    Journal.info("stopping")
    deadline = Loop.timer(after: manager.stopTimeout) { self.force() }
    for device in manager.sorted where !device.isLeft {
      // If nbdd itself waits for the device then, nobody else would end it.
      if device.attachment?.isKept == true {
        manager.keeper?.end(device.name, after: manager.stopTimeout + .seconds(25))
      }
      device.observe { observation in
        guard case .refused = observation else { return false }
        // Its users may be about to end, as all processes do at a shutdown.
        self.retry = Loop.timer(after: .milliseconds(500)) { self.detachAll() }
        return false
      }
    }
    detachAll()
    proceed()
  }

  /// Ends the process if nothing is left to wait for.
  func proceed() {
    guard manager.isIdle else { return }
    end(status: isForced ? 1 : 0)
  }

  /// Gives up what is still in use.
  func force() {
    isForced = true
    retry = nil
    for device in manager.sorted where !device.isIdle {
      Journal.error("\(device.name): given up: \(device.report.sentence)")
      device.detach(force: true)
    }
    deadline = Loop.timer(after: Lifecycle.grace * 4) { self.end(status: 1) }
    proceed()
  }

  private func detachAll() {
    guard !isForced else { return }
    for device in manager.sorted where device.state != .detaching && !device.isLeft {
      device.detach(force: false)
    }
  }

  private func end(status: Int32) {
    for device in manager.sorted where !device.isIdle && device.attachment?.isKept == true {
      manager.keeper?.end(device.name, after: .zero)
    }
    Journal.info("stopped")
    ControlService.removeSocket()
    Program.end(status)
  }
}

extension Device {
  /// It is not in the kernel, and will not be.
  var isIdle: Bool {
    if isLeft { return true }
    return switch lifecycle.phase {
    // A thread that is giving up may still wait for a name server; it has written nothing.
    case .detached, .waiting, .cancelling: true
    default: false
    }
  }
}
