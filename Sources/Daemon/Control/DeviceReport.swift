// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Relay
internal import Synchronization

/// What is known about a device: as text here, and as the control interface's `Device`.
struct DeviceReport {
  let device: Device
  var lifecycle: Lifecycle { device.lifecycle }
  var connections: ConnectionSet? { device.connections }

  fileprivate init(_ device: Device) {
    self.device = device
  }

  /// The state in one sentence, with what happens next.
  var sentence: String {
    switch lifecycle.phase {
    case .detached: "not attached"
    case .connecting:
      ["connecting to \(device.configuration.uri)", lifecycle.failure?.message].joined("; last: ")
    case .settling: "waiting for \(node) and its partitions"
    case .mounting: "mounting \(node) at \(device.configuration.mount?.path ?? "")"
    case .attached:
      [outageTrouble ?? "attached as \(node)", connectionTrouble, mountTrouble].joined("; ")
    case .cancelling: "cancelling the attempt"
    case .unmounting: "unmounting \(device.configuration.mount?.path ?? "nothing")"
    case .quiescing: "sending the last writes of \(node) to the server"
    case .disconnecting: "disconnecting \(node)"
    case .releasing where lifecycle.holders.isEmpty:
      [lifecycle.failure?.message, "waiting for \(node) to become free"].joined("; ")
    case .releasing, .held, .waiting: trouble ?? ""
    }
  }

  /// What is wrong, and what happens next; nil if nothing is.
  var trouble: String? {
    switch lifecycle.phase {
    case .attached:
      [outageTrouble, connectionTrouble, mountTrouble].contains { $0 != nil }
        ? [outageTrouble, connectionTrouble, mountTrouble].joined("; ") : nil
    case .waiting: [lifecycle.failure?.message, "next attempt \(nextTime)"].joined(", ")
    case .held: heldTrouble
    case .releasing where !lifecycle.holders.isEmpty: heldTrouble
    default: lifecycle.failure?.message
    }
  }

  private var node: String {
    device.index.map(DeviceNode.path) ?? "the device"
  }

  private var mountTrouble: String? {
    lifecycle.mountFailure.map {
      "not mounted at \(device.configuration.mount?.path ?? ""): \($0.message)"
    }
  }

  private var outageTrouble: String? {
    guard let connections, connections.isCut else { return nil }
    if connections.isAbandoned, let failure = connections.failure {
      return "\(node): \(failure.message)"
    }
    let held = connections.relay.counters.requestsHeld.load(ordering: .relaxed)
    let next = connections.nextAttempt.map { time(until: $0.instant) } ?? "under way"
    let fate =
      connections.isGivenUp
      ? "given up: requests fail with I/O errors"
      : held == 0 ? nil : "\(held) \(held == 1 ? "request" : "requests") held"
    let trouble = [connections.failure?.message, fate, "next attempt \(next)"].joined(", ")
    return "\(node) waits for its server: \(trouble)"
  }

  private var connectionTrouble: String? {
    guard let connections, !connections.isCut, connections.upCount < connections.lifecycles.count,
      connections.upCount > 0
    else {
      return nil
    }
    let count = "\(connections.upCount) of \(connections.lifecycles.count) connections"
    return [count, connections.failure?.message].joined(": ")
  }

  private var heldTrouble: String {
    let holders = lifecycle.holders.joined(separator: ", ")
    return [
      lifecycle.failure?.message, "\(node) is still in use: \(holders)",
      "checked again \(nextTime)",
    ].joined("; ")
  }

  private var nextTime: String {
    time(until: lifecycle.nextAttempt ?? .now)
  }

  private func time(until instant: ContinuousClock.Instant) -> String {
    let pause = ContinuousClock.now.duration(to: instant)
    return pause < .milliseconds(1) ? "now" : "in \(Quantities.words(pause))"
  }
}

extension Device {
  /// What is known about the device at this moment.
  var report: DeviceReport { DeviceReport(self) }
}

extension [String?] {
  nonisolated fileprivate func joined(_ separator: String) -> String {
    compactMap(\.self).joined(separator: separator)
  }
}
