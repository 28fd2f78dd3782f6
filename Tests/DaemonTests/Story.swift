// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

@testable import Daemon
internal import ControlAPI

/// The life of a device as it is told: one event after the other, on a clock of its own.
nonisolated struct Story {
  var device: Lifecycle
  private(set) var now = ContinuousClock.now
  /// What chance says at each event.
  var random = 0.0

  init(reconnectDelay: Duration = .seconds(30)) {
    device = Lifecycle(reconnectDelay: reconnectDelay)
  }

  /// A story in which a phase has been reached on the usual way.
  init(in phase: Lifecycle.Phase) {
    self.init()
    for event in Self.way(to: phase) { happens(event) }
  }

  /// Lets something happen, after a while, and answers what is to be done.
  @discardableResult
  mutating func happens(
    _ event: Lifecycle.Event, after pause: Duration = .zero
  ) -> [Lifecycle.Action] {
    now = now + pause
    return device.handle(event, at: now, random: random)
  }

  /// The same for several events; answers what is to be done after the last.
  @discardableResult
  mutating func happen(_ events: Lifecycle.Event...) -> [Lifecycle.Action] {
    var actions: [Lifecycle.Action] = []
    for event in events { actions = happens(event) }
    return actions
  }

  /// How long it still is until the next attempt.
  var pause: Duration? { device.nextAttempt.map { now.duration(to: $0) } }

  private static func way(to phase: Lifecycle.Phase) -> [Lifecycle.Event] {
    let attached: [Lifecycle.Event] = [.attach, .serving, .settled(nil), .mounted(nil)]
    switch phase {
    case .detached: return []
    case .connecting: return [.attach]
    case .cancelling: return [.attach, .detach(force: false)]
    case .settling: return [.attach, .serving]
    case .mounting: return [.attach, .serving, .settled(nil)]
    case .attached: return attached
    case .unmounting(let force, _): return attached + [.detach(force: force)]
    case .quiescing(let force, _): return attached + [.detach(force: force), .unmounted(nil)]
    case .disconnecting(let means, leaving: true):
      return attached + [.detach(force: false), .unmounted(nil), .quiesced(nil)]
        + Array(repeating: .timer, count: means.rawValue)
    case .disconnecting(let means, leaving: false):
      return [.attach, .serving, .settled(.stuck)] + Array(repeating: .timer, count: means.rawValue)
    case .releasing(leaving: false): return attached + [.ended(.lost)]
    case .releasing(leaving: true):
      return attached + [.detach(force: false), .unmounted(nil), .quiesced(nil), .ended(.closed)]
    case .held: return attached + [.ended(.lost), .unmounted(.busy), .released(holders: ["dd"])]
    case .waiting: return [.attach, .ended(.refused)]
    }
  }
}

extension Failure {
  nonisolated static let refused = Failure(.connect, "connection refused")
  nonisolated static let wrongServer = Failure(.negotiate, "not an NBD server", isPersistent: true)
  nonisolated static let lost = Failure(.connection, "connection lost")
  nonisolated static let closed = Failure(.connection, "the server closed it")
  nonisolated static let stuck = Failure(.kernel, "did not come up")
  nonisolated static let badFileSystem = Failure(.mount, "wrong fs type")
  nonisolated static let busy = Failure(.detach, "in use: dd", holders: ["dd"])
}
