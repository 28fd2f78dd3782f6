// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import Relay
internal import Synchronization
internal import Varlink

/// What the control interface says of a relay and its connections.
struct ConnectionSetReport {
  private let connections: ConnectionSet

  init(_ connections: ConnectionSet) {
    self.connections = connections
  }

  /// As the interface's `Relay`.
  var json: JSON {
    let counters = connections.relay.counters
    let now = ContinuousClock.now
    let current = connections.outages.since.map { $0.duration(to: now) } ?? .zero
    return .object([
      "connections": JSON(connections.lifecycles.indices.map(connection)),
      "requestsHeld": JSON(counters.requestsHeld.load(ordering: .relaxed)),
      "requestsAnswered": JSON(counters.requestsAnswered.load(ordering: .relaxed)),
      "unflushedBytes": JSON(counters.unflushedBytes.load(ordering: .relaxed)),
      "bytesFromServer": JSON(counters.bytesFromServer.load(ordering: .relaxed)),
      "bytesToServer": JSON(counters.bytesToServer.load(ordering: .relaxed)),
      "outages": JSON(connections.outages.count),
      "outageMSec": JSON((connections.outages.total + current).milliseconds),
      "longestOutageMSec": JSON(max(connections.outages.longest, current).milliseconds),
      "givenUp": JSON(connections.isGivenUp),
      "lastError": connections.lastError.map { JSON($0) },
    ])
  }

  private func connection(_ index: Int) -> JSON {
    let (lifecycle, peer) = (connections.lifecycles[index], connections.peers[index])
    return .object([
      "up": JSON(lifecycle.phase == .up),
      "server": peer.map { JSON($0.server) },
      "encryption": peer?.encryption.map { JSON($0) },
      "attempts": JSON(lifecycle.attempts),
      "failure": lifecycle.failure.map { JSON($0.message) },
    ])
  }
}
