// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
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
  /// How many bytes a device has moved, and when that was last seen to be more.
  private var progress: [String: (bytes: Int, at: ContinuousClock.Instant)] = [:]
  /// When a detach was last refused, because the device was in use.
  private var refusals: [String: ContinuousClock.Instant] = [:]

  /// A device is found to be in use within this time.
  private static let refusalTime = Duration.seconds(4)

  init(_ manager: Manager) {
    self.manager = manager
  }

  func begin() {
    ServiceManager.stopping()
    Journal.info("stopping")
    for device in manager.sorted where !device.isLeft {
      progress[device.name] = (device.movedByteCount, .now)
      device.observe { observation in
        guard case .refused = observation else { return false }
        self.refusals[device.name] = .now
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
      device.detach(force: false)
    }
  }

  // MARK: time

  /// Looks once a second at what each device has moved, and gives up those that stand still.
  private func watchProgress() {
    let now = ContinuousClock.now
    for device in manager.sorted { device.cancelMounting() }
    for device in manager.sorted where !device.isIdle && !givenUp.contains(device.name) {
      let (bytes, last) = (device.movedByteCount, progress[device.name])
      if bytes != last?.bytes, isWritingBack(device, now) {
        progress[device.name] = (bytes, now)
        askForTime(for: device)
      } else if now - (last?.at ?? now) >= manager.stopTimeout
        || manager.shutdown?.hasGivenUp(device) == true
      {
        giveUp(device)
      }
    }
    let areAllGivenUp = manager.sorted.allSatisfy { $0.isIdle || givenUp.contains($0.name) }
    if areAllGivenUp, let lastGivenUp, now - lastGivenUp >= Lifecycle.grace * 4 {
      return end(status: 1)
    }
    watch = Loop.timer(after: .seconds(1)) { self.watchProgress() }
  }

  /// A device that is in use moves bytes as well, but that brings its end no nearer.
  private func isWritingBack(_ device: Device, _ now: ContinuousClock.Instant) -> Bool {
    device.state == .detaching
      && refusals[device.name].map { now - $0 >= Self.refusalTime } ?? true
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
  /// Bytes to and from the server since it was attached; 0 on the direct path, where nbdd does not see them.
  fileprivate var movedByteCount: Int {
    guard let counters = connections?.relay.counters else { return 0 }
    return counters.bytesToServer.load(ordering: .relaxed)
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
