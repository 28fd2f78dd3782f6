// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI
internal import Relay
internal import Synchronization

/// The time between the order to shut the machine down and the stop of nbdd, in which services end and file systems are
/// unmounted: a server that is silent must not hold that up for ever.
///
/// A server that sends anything may take as long as it needs.
final class Shutdown {
  private unowned let manager: Manager
  private var watch: Loop.Timer?
  /// How many bytes a server has sent, and since when nothing has come although something is awaited.
  private var silence: [String: (bytes: Int, since: ContinuousClock.Instant)] = [:]
  /// Devices whose requests fail now.
  private var givenUp: Set<String> = []

  init(_ manager: Manager) {
    self.manager = manager
  }

  /// Gives up servers from now on that stay silent for the configured time.
  func begin() {
    let now = ContinuousClock.now
    for device in manager.sorted { look(at: device, now) }
    watch = Loop.timer(after: .seconds(1)) { self.begin() }
  }

  /// Whether nobody waits any longer for a device's server.
  func hasGivenUp(_ device: Device) -> Bool { givenUp.contains(device.name) }

  private func look(at device: Device, _ now: ContinuousClock.Instant) {
    guard let connections = device.connections, !connections.isAbandoned else {
      silence[device.name] = nil
      return
    }
    let counters = connections.relay.counters
    let bytes = counters.bytesFromServer.load(ordering: .relaxed)
    let awaitsReply =
      connections.isCut || counters.requestsHeld.load(ordering: .relaxed) > 0
    guard awaitsReply, let last = silence[device.name], last.bytes == bytes else {
      silence[device.name] = (bytes, now)
      givenUp.remove(device.name)
      return
    }
    guard now - last.since >= manager.shutdownTimeout, device.giveUp(),
      givenUp.insert(device.name).inserted
    else { return }
    let kept = counters.unflushedBytes.load(ordering: .relaxed)
    Journal.error(
      "\(device.name): given up for the shutdown: its server has been silent for "
        + "\(Quantities.words(manager.shutdownTimeout)); requests fail, and \(kept) acknowledged bytes may be lost",
      Journal.Fields(event: .givenUp, device: device.name))
  }
}
