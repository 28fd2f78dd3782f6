// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI
internal import NBD
internal import Relay
internal import Synchronization

/// What the control interface reports about a relay and its connections.
struct ConnectionSetReport {
  private let connections: ConnectionSet

  init(_ connections: ConnectionSet) {
    self.connections = connections
  }

  /// The interface's `Relay`.
  var status: RelayStatus {
    let counters = connections.relay.counters
    let now = ContinuousClock.now
    let current = connections.outages.since.map { $0.duration(to: now) } ?? .zero
    var status = RelayStatus()
    status.connections = connections.lifecycles.indices.map(connection)
    status.requestsHeld = Int64(counters.requestsHeld.load(ordering: .relaxed))
    status.requestsAnswered = Int64(counters.requestsAnswered.load(ordering: .relaxed))
    status.operations = OperationCounters.commands.compactMap { command in
      RelayOperationStatus.Name(command).map {
        RelayOperationStatus($0, counters.operations.totals(of: command))
      }
    }
    status.unflushedBytes = Int64(counters.unflushedBytes.load(ordering: .relaxed))
    status.bytesFromServer = Int64(counters.bytesFromServer.load(ordering: .relaxed))
    status.bytesToServer = Int64(counters.bytesToServer.load(ordering: .relaxed))
    status.outages = Int64(connections.outages.count)
    status.outageMSec = (connections.outages.total + current).milliseconds
    status.longestOutageMSec = max(connections.outages.longest, current).milliseconds
    status.givenUp = connections.isGivenUp
    status.lastError = connections.lastError
    return status
  }

  private func connection(_ index: Int) -> RelayConnectionStatus {
    let (lifecycle, peer) = (connections.lifecycles[index], connections.peers[index])
    var status = RelayConnectionStatus()
    status.up = lifecycle.phase == .up
    status.server = peer?.server
    status.encryption = peer?.encryption
    status.attempts = Int64(lifecycle.attempts)
    status.failure = lifecycle.failure?.message
    return status
  }
}

extension RelayOperationStatus {
  fileprivate init(_ name: Name, _ totals: OperationCounters.Totals) {
    self.init()
    self.name = name
    requests = Int64(totals.counts.reduce(0, +))
    bytes = Int64(totals.bytes)
    latencyUSec = Int64(totals.latency)
    latencyCounts = totals.counts.map(Int64.init)
  }
}

extension RelayOperationStatus.Name {
  fileprivate init?(_ command: Command) {
    switch command {
    case .read: self = .read
    case .write: self = .write
    case .flush: self = .flush
    case .trim: self = .trim
    case .writeZeroes: self = .writeZeroes
    case .disconnect, .cache, .blockStatus, .resize: return nil
    }
  }
}
