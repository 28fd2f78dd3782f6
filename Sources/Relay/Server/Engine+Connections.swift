// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Transport

/// Connections that come and that are lost, and what that means for the requests.
extension Engine {
  // MARK: coming

  /// Takes a stream that has been negotiated, in place of what the connection had.
  mutating func use(_ stream: ServerStream, _ terms: Negotiated, as connection: ConnectionID) {
    if connections[connection].stream != nil { lose(connection, .asked) }
    guard outagePolicy != .abandon else { return stream.close() }
    connections[connection].stream = stream
    connections[connection].replies = terms.replies
    connections[connection].flags = terms.export.flags
    connections[connection].largestPayload = terms.export.largestPayload
    connections[connection].heardAt = now
    // Of what came with the end of the negotiation the socket says nothing.
    connections[connection].hasMore = stream.hasMore
    // Rule `join`, if others are in use.
    connections[connection].state = .joining(flush: flushing.count + 1)
    beginFirst()
  }

  /// Lets a connection begin if none is in use, and the server is done with the former ones (rule `drain`).
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

  /// A connection carries requests from now on.
  mutating func raise(_ connection: ConnectionID) {
    connections[connection].state = .up
    if outagePolicy == .refuse { outagePolicy = .hold }
    report(.up(connection: connection.index))
  }

  /// A flush that was sent after a connection came has ended: the connection may be used.
  mutating func join(after flush: UInt64) {
    for connection in connections.indices {
      if case .joining(let awaited) = connections[connection].state, awaited <= flush {
        raise(connection)
      }
    }
  }

  // MARK: every turn

  /// Does what the state of the connections allows now.
  mutating func advance() {
    for connection in connections.indices {
      switch connections[connection].state {
      case .replaying: replay(over: connection)
      case .joining(let awaited) where connections.contains(where: \.isInUse):
        // Where nothing is acknowledged that could be lost, and nothing under way that could be by a
        // server that has gone, there is nothing to prove; nor where what is acknowledged is durable.
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

  /// Whether a flush is under way that was sent as the one of that number or later.
  private func isFlushUnderWay(number: UInt64) -> Bool {
    flushing.slot.map { slots[$0].flushNumber >= number } ?? false
  }

  // MARK: silence

  /// Gives connections up on which a request has waited too long.
  mutating func expire() {
    for connection in connections.indices {
      guard let slot = oldest(on: connection), let end = deadline(of: connection), end <= now
      else { continue }
      let (time, askedAt) = (limit(for: slot), slots[slot].sentAt)
      if slots[slot].isFromKernel { slots[slot].silences += 1 } else { silences += 1 }
      lose(connection, .silent(time))
      // One way has gone quiet: the others that have said nothing since are likely to be as dead, and
      // what is sent there next would wait as long again, on one after the other.
      for other in connections.indices where connections[other].heardAt <= askedAt {
        lose(other, .silent(time))
      }
    }
  }

  /// When a reply has to have come on a connection, in microseconds of the monotonic clock; nil if none is
  /// awaited.
  func deadline(of connection: ConnectionID) -> Int64? {
    oldest(on: connection).map { slots[$0].sentAt + limit(for: $0).milliseconds * 1000 }
  }

  private func oldest(on connection: ConnectionID) -> SlotID? {
    connections[connection].sent.first ?? connections[connection].leaving.first
  }

  /// Twice as long after each time that it was not enough: what takes a server long shall end some day.
  private func limit(for slot: SlotID) -> Duration {
    settings.requestTimeout * (1 << min(slots[slot].silences, 6))
  }

  // MARK: going

  /// Gives all connections up: first those that would be the next when those in use are lost.
  mutating func loseAll(_ end: ConnectionEnd = .asked) {
    for connection in connections.indices where !connections[connection].isInUse {
      lose(connection, end)
    }
    for connection in connections.indices { lose(connection, end) }
  }

  /// Gives a connection up; what was under way on it waits for another (rule `again`).
  mutating func lose(_ connection: ConnectionID, _ end: ConnectionEnd) {
    guard let stream = connections[connection].stream else { return }
    isStirred = true
    patience.lastSign = max(patience.lastSign, sign(of: connection, stream))
    // The word that a server waits for which is going away (T-029); there is room for it.
    if end == .shuttingDown, connections[connection].requestCount == 0 {
      try? stream.write(RequestHeader.disconnect(connections[connection].replies))
    }
    let wasInUse = connections[connection].isInUse
    let hadFlush =
      flushing.slot.map { slots[$0].connection == connection } ?? false
      || slots.contains(in: connections[connection].sent) { isDurableWrite($0) }
    var (held, leaving) = (connections[connection].held, connections[connection].leaving)
    // Rule `once`: nothing of what it may still say is heard.
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
    // No survivor can prove anything for a connection that waits: it is the first of what comes.
    beginFirst()
  }

  /// When the server was last heard of on a connection, by the clock that goes on in suspend.
  private func sign(of connection: ConnectionID, _ stream: ServerStream) -> Int64 {
    let ago = now - connections[connection].heardAt
    guard let time = stream.socket.sinceLastAcknowledgement else { return bootNow }
    return bootNow - min(ago, time.milliseconds * 1000)
  }

  /// Puts requests ahead of those that wait, as if they had never been sent.
  mutating func putBack(_ list: inout SlotList) {
    var again = SlotList()
    while let slot = slots.removeFirst(of: &list) {
      if slot == flushing.slot { flushing.slot = nil }
      switch slots[slot].origin {
      case .kernel(let socket, _) where sockets[socket].hasEnded:
        // Whoever asked may ask again elsewhere, and then for more; this must not come after that.
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
