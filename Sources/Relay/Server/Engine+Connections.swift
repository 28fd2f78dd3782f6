// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Transport

/// Connections that are made and lost, and the consequences for the requests.
extension Engine {
  // MARK: coming

  /// Uses a negotiated stream, replacing the one that the connection had.
  mutating func use(
    _ stream: ServerStream, _ terms: Negotiated, as connection: ConnectionID, number: Int
  ) {
    if connections[connection].stream != nil { lose(connection, .asked) }
    guard outagePolicy != .abandon, leavingBy == nil else {
      stream.close()
      return release(number)
    }
    connections[connection].stream = stream
    connections[connection].number = number
    record.lastSign = bootNow
    connections[connection].replies = terms.replies
    connections[connection].flags = terms.export.flags
    connections[connection].largestPayload = terms.export.largestPayload
    connections[connection].heardAt = now
    // The socket does not signal data that arrived with the end of the negotiation.
    connections[connection].hasMore = stream.hasMore
    // Rule `join`, if others are in use.
    connections[connection].state = .joining(flush: flushing.count + 1)
    beginFirst()
  }

  /// Tells the caller that a stream which it has numbered is over.
  func release(_ number: Int) {
    if number != 0 { report(.released(number: number)) }
  }

  /// Starts a connection if none is in use and the server is done with the old ones (rule `drain`).
  mutating func beginFirst() {
    guard outagePolicy != .abandon, !hasUnfinishedChanges,
      !connections.contains(where: \.isInUse)
    else { return }
    for connection in connections.indices where connections[connection].stream != nil {
      return begin(connection)
    }
  }

  /// Rule `first`: the first connection after none was in use carries the ledger, and nothing else.
  private mutating func begin(_ connection: ConnectionID) {
    guard !ledger.isEmpty else { return raise(connection) }
    connections[connection].state = .replaying
    replay.begin(ledger)
  }

  /// Lets a connection carry requests from now on.
  mutating func raise(_ connection: ConnectionID) {
    connections[connection].state = .up
    if outagePolicy == .refuse { outagePolicy = .hold }
    report(.up(connection: connection.index))
  }

  /// Called when a flush has completed: raises the connections that were made before it was sent.
  mutating func join(after flush: UInt64) {
    for connection in connections.indices {
      if case .joining(let awaited) = connections[connection].state, awaited <= flush {
        raise(connection)
      }
    }
  }

  // MARK: every turn

  /// Does what the states of the connections allow now.
  mutating func advance() {
    for connection in connections.indices {
      switch connections[connection].state {
      case .replaying: replay(over: connection)
      case .joining(let awaited) where connections.contains(where: \.isInUse):
        // There is nothing to prove if the server could lose nothing that is acknowledged, and a server
        // that is gone could lose nothing in progress; nor if all that is acknowledged is durable.
        let hasNothingToLose =
          ledger.isEmpty && changesUnderWay == 0 || !isFlushOffered(on: connection)
        if hasNothingToLose, connections.contains(where: { $0.state == .up }) {
          raise(connection)
        } else if !isFlushUnderWay(number: awaited) {
          flushing.isWanted = true
        }
      case .down, .up, .joining: break
      }
    }
    dispatch()
    if isRefusing { refuseAll() }
  }

  func isFlushOffered(on connection: ConnectionID) -> Bool {
    connections[connection].flags.contains(.sendFlush)
  }

  /// Whether a flush with that number or a later one is in flight.
  private func isFlushUnderWay(number: UInt64) -> Bool {
    flushing.slot.map { slots[$0].flushNumber >= number } ?? false
  }

  // MARK: silence

  /// Gives up connections on which a request has timed out.
  mutating func expire() {
    for connection in connections.indices {
      guard let slot = oldest(on: connection), let end = deadline(of: connection), end <= now
      else { continue }
      let (time, askedAt) = (limit(for: slot), slots[slot].sentAt)
      if slots[slot].isFromKernel { slots[slot].silences += 1 } else { silences += 1 }
      lose(connection, .silent(time))
      // One connection is silent: others that have been silent since are likely to be dead as well, and
      // the next requests there would wait just as long, on one after the other.
      for other in connections.indices where connections[other].heardAt <= askedAt {
        lose(other, .silent(time))
      }
    }
  }

  /// The deadline for a reply on a connection, in microseconds of the monotonic clock; nil if none is
  /// awaited.
  func deadline(of connection: ConnectionID) -> Int64? {
    oldest(on: connection).map { slots[$0].sentAt + limit(for: $0).milliseconds * 1000 }
  }

  private func oldest(on connection: ConnectionID) -> SlotID? {
    connections[connection].sent.first ?? connections[connection].leaving.first
  }

  /// Doubles after each timeout, up to six times, so that slow requests complete eventually.
  private func limit(for slot: SlotID) -> Duration {
    settings.requestTimeout * (1 << min(slots[slot].silences, 6))
  }

  // MARK: going

  /// Gives up all connections: first those that would take over when those in use are lost.
  mutating func loseAll(_ end: ConnectionEnd = .asked) {
    for connection in connections.indices where !connections[connection].isInUse {
      lose(connection, end)
    }
    for connection in connections.indices { lose(connection, end) }
  }

  /// Gives up a connection; requests in flight on it wait for another (rule `again`).
  mutating func lose(_ connection: ConnectionID, _ end: ConnectionEnd) {
    guard let stream = connections[connection].stream else { return }
    isStirred = true
    patience.lastSign = max(patience.lastSign, sign(of: connection, stream))
    // A server that shuts down waits for the disconnect request (T-029); there is room for it.
    if end == .shuttingDown, connections[connection].requestCount == 0 {
      try? stream.write(RequestHeader.disconnect(connections[connection].replies))
    }
    let wasInUse = connections[connection].isInUse
    let hadFlush =
      flushing.slot.map { slots[$0].connection == connection } ?? false
      || slots.contains(in: connections[connection].sent) { isDurableWrite($0) }
    var (held, leaving) = (connections[connection].held, connections[connection].leaving)
    // Rule `once`: anything that it may still send is ignored.
    var sent = beginClosing(connection, stream)
    connections[connection].reset()
    putBack(&leaving)
    putBack(&sent)
    putBack(&held)
    report(.down(connection: connection.index, end))
    if outagePolicy != .hold { hasNewRoom = true }
    if hadFlush {
      // Rule `fail unknown`.
      for other in connections.indices where connections[other].isInUse {
        lose(other, .besideLostFlush)
      }
    }
    guard wasInUse, !connections.contains(where: \.isInUse) else { return }
    beginOutage(lastSign: patience.lastSign)
    // No remaining connection can prove anything for a waiting one: it starts the next generation.
    beginFirst()
  }

  /// The server's last sign of life on a connection, by the clock that includes suspend.
  private func sign(of connection: ConnectionID, _ stream: ServerStream) -> Int64 {
    let ago = now - connections[connection].heardAt
    guard let time = stream.socket.sinceLastAcknowledgement else { return bootNow }
    return bootNow - min(ago, time.milliseconds * 1000)
  }

  /// Puts requests ahead of the waiting ones, as if they had never been sent.
  mutating func putBack(_ list: inout SlotList) {
    var again = SlotList()
    while let slot = slots.removeFirst(of: &list) {
      if slot == flushing.slot { flushing.slot = nil }
      switch slots[slot].origin {
      case .kernel(let socket, _) where sockets[socket].hasEnded:
        // The kernel may repeat it on another socket and then continue; this must not be executed later.
        refuse(slot)
      case .kernel:
        slots[slot].forgetReply()
        slots[slot].state = .pending
        slots[slot].done = 0
        if slots[slot].command == .flush {
          slots.append(slot, to: &flushing.pending)
        } else {
          slots.append(slot, to: &again)
        }
      case .flush:
        slots.release(slot)
        flushing.isWanted = !ledger.isEmpty
      case .replay:
        replay.remove(slot)
        slots.release(slot)
      }
    }
    slots.prepend(&again, to: &pending)
  }
}
