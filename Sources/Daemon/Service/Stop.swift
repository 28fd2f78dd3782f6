// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Relay
internal import Synchronization

/// The end of the daemon: everything is detached, then the process ends.
///
/// With 0, or with 1 if something had to be given up: a device that was still in use, or whose last writes made no
/// progress, for as long as the stop timeout.
final class Stop {
  private unowned let manager: Manager
  private var watch: Loop.Timer?
  private var retry: Loop.Timer?
  /// Devices that have been given up, and when the last one was.
  private var givenUp: Set<String> = []
  private var lastGivenUp: ContinuousClock.Instant?
  private var progress: [String: StopProgress] = [:]

  init(_ manager: Manager) {
    self.manager = manager
  }

  func begin() {
    ServiceManager.stopping()
    Journal.info("stopping")
    for device in manager.sorted where !device.isLeft {
      progress[device.name] = StopProgress(moved: device.movedCount, .now)
      device.observe { observation in
        guard case .refused = observation else { return false }
        self.progress[device.name]?.refused()
        // Its users may be about to end, as all processes do at a shutdown.
        self.retry = Loop.timer(after: .milliseconds(500)) { self.detachAll() }
        return false
      }
      askForTime(for: device)
    }
    detachAll()
    watchProgress()
    proceed()
  }

  /// Ends the process if nothing is left to wait for.
  func proceed() {
    guard manager.isIdle else { return }
    end(status: givenUp.isEmpty ? 0 : 1)
  }

  /// Gives up everything that is still in use.
  func force() {
    for device in manager.sorted where !device.isIdle { giveUp(device) }
    proceed()
  }

  private func detachAll() {
    for device in manager.sorted
    where device.state != .detaching && !device.isLeft && !givenUp.contains(device.name) {
      progress[device.name]?.begin(.now)
      device.detach(force: false)
    }
  }

  // MARK: time

  /// Looks once a second at what each device has moved, and gives up those that stand still.
  private func watchProgress() {
    let now = ContinuousClock.now
    for device in manager.sorted { device.cancelMounting() }
    for device in manager.sorted where !device.isIdle && !givenUp.contains(device.name) {
      switch progress[device.name]?.verdict(
        moved: device.movedCount, isDetaching: device.state == .detaching, now,
        limit: manager.stopTimeout)
      {
      case .progress: askForTime(for: device)
      case .wait where manager.shutdown?.hasGivenUp(device) != true: break
      default: giveUp(device)
      }
    }
    let areAllGivenUp = manager.sorted.allSatisfy { $0.isIdle || givenUp.contains($0.name) }
    if areAllGivenUp, let lastGivenUp, now - lastGivenUp >= Lifecycle.grace * 4 {
      return end(status: 1)
    }
    watch = Loop.timer(after: .seconds(1)) { self.watchProgress() }
  }

  /// So much time as a device may stand still, and then be given up.
  private func askForTime(for device: Device) {
    ServiceManager.extendTimeout(manager.stopTimeout + .seconds(30))
    // If nbdd itself waits for the device then, nobody else would end it.
    if device.attachment?.isKept == true {
      manager.keeper?.end(device.name, after: manager.stopTimeout + .seconds(25))
    }
  }

  private func giveUp(_ device: Device) {
    guard givenUp.insert(device.name).inserted else { return }
    lastGivenUp = .now
    Journal.error(
      "\(device.name): given up: \(device.report.sentence)",
      Journal.Fields(event: .givenUp, device: device.name))
    device.detach(force: true)
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
  /// Grows as long as the device moves data: bytes to and from the server, and what the kernel has had done by it, which
  /// is all that there is to see on the direct path.
  fileprivate var movedCount: Int {
    let done = attachment.flatMap { Sysfs.completedCount(of: $0.device.index) } ?? 0
    guard let counters = connections?.relay.counters else { return done }
    return done + counters.bytesToServer.load(ordering: .relaxed)
      + counters.bytesFromServer.load(ordering: .relaxed)
  }

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
