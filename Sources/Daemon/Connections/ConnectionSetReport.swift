// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import Relay
internal import Synchronization
internal import Varlink

/// What the control interface says of a relay and its connections.
struct ConnectionSetReport {
  private let lanes: ConnectionSet

  init(_ lanes: ConnectionSet) {
    self.lanes = lanes
  }

  /// As the interface's `Relay`.
  var json: JSON {
    let counters = lanes.relay.counters
    let now = ContinuousClock.now
    let current = lanes.outages.since.map { $0.duration(to: now) } ?? .zero
    return .object([
      "connections": JSON(lanes.links.indices.map(connection)),
      "requestsHeld": JSON(counters.requestsHeld.load(ordering: .relaxed)),
      "requestsAnswered": JSON(counters.requestsAnswered.load(ordering: .relaxed)),
      "unflushedBytes": JSON(counters.unflushedBytes.load(ordering: .relaxed)),
      "bytesFromServer": JSON(counters.bytesFromServer.load(ordering: .relaxed)),
      "bytesToServer": JSON(counters.bytesToServer.load(ordering: .relaxed)),
      "outages": JSON(lanes.outages.count),
      "outageMSec": JSON((lanes.outages.total + current).milliseconds),
      "longestOutageMSec": JSON(max(lanes.outages.longest, current).milliseconds),
      "givenUp": JSON(lanes.isGivenUp),
      "lastError": lanes.lastError.map { JSON($0) },
    ])
  }

  private func connection(_ lane: Int) -> JSON {
    let (link, peer) = (lanes.links[lane], lanes.peers[lane])
    return .object([
      "up": JSON(link.phase == .up),
      "server": peer.map { JSON($0.server) },
      "encryption": peer?.encryption.map { JSON($0) },
      "attempts": JSON(link.attempts),
      "failure": link.failure.map { JSON($0.message) },
    ])
  }
}
