// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Transport

/// Connections that are lost and that come, and what that means for the requests.
extension Engine {
  // MARK: coming

  /// Takes a connection that has been negotiated, in place of what the lane had.
  mutating func arrive(_ lane: Int, _ stream: ServerStream, _ terms: Negotiated) {
    if lanes[lane].stream != nil { lose(lane, .asked) }
    guard !isAbandoned else { return stream.close() }
    lanes[lane].stream = stream
    lanes[lane].terms = terms
    lanes[lane].heardAt = now
    // What came with the end of the negotiation the socket does not tell of.
    lanes[lane].hasMore = stream.hasMore
    lanes[lane].largestPayload = terms.export.largestPayload
    // Rule `join`, if others are in use.
    lanes[lane].state = .joining(flush: flushes + 1)
    beginFirst()
  }

  /// Lets a connection begin if none is in use, and the server is done with the former ones (rule `drain`).
  mutating func beginFirst() {
    guard !isAbandoned, !hasUnfinishedChanges, !lanes.contains(where: \.isInUse) else { return }
    if let next = lanes.indices.first(where: { lanes[$0].stream != nil }) { begin(next) }
  }

  /// Rule `first`: the first connection after none was in use carries the ledger, and nothing else.
  private mutating func begin(_ lane: Int) {
    guard !ledger.isEmpty else { return raise(lane) }
    lanes[lane].state = .replaying
    replayNext = ledger.first
    replayEnd = ledger.next
  }

  private mutating func raise(_ lane: Int) {
    lanes[lane].state = .up
    isFailing = false
    report(.up(connection: lane))
  }

  /// A flush that was sent after a connection came has ended: the connection may be used.
  mutating func join(after flush: UInt64) {
    for lane in lanes.indices {
      if case .joining(let awaited) = lanes[lane].state, awaited <= flush { raise(lane) }
    }
  }

  // MARK: every turn

  /// Does what the state of the connections allows now.
  mutating func advance() {
    for lane in lanes.indices {
      switch lanes[lane].state {
      case .replaying: replay(lane)
      case .joining where lanes.contains(where: \.isInUse):
        // Where nothing is acknowledged that could be lost, and nothing under way that could be by a
        // server that has gone, there is nothing to prove; nor where what is acknowledged is durable.
        let hasNothingToLose = ledger.isEmpty && changesUnderWay == 0 || !isFlushOffered(lane)
        if hasNothingToLose, lanes.contains(where: { $0.state == .up }) {
          raise(lane)
        } else if flush == Slot.none || slots[flush].flushNumber < awaitedFlush(lane) {
          wantsFlush = true
        }
      case .down, .up, .joining: break
      }
    }
    dispatch()
    if isRefusing { refuseAll() }
  }

  func isFlushOffered(_ lane: Int) -> Bool {
    lanes[lane].terms?.export.flags.contains(.sendFlush) ?? false
  }

  private func awaitedFlush(_ lane: Int) -> UInt64 {
    if case .joining(let flush) = lanes[lane].state { flush } else { 0 }
  }

  /// Sends the entries of the ledger again, in the order in which they were acknowledged.
  private mutating func replay(_ lane: Int) {
    while replayNext < replayEnd {
      let entry = ledger[replayNext]
      // Rule `order`: whoever changes the same bytes has to have been answered.
      let isBlocked = replays.slots.contains {
        entry.overlaps(slots[$0].offset, slots[$0].length)
      }
      guard !isBlocked, replays.count < 16, let index = slots.take(leaving: 0) else { return }
      slots[index].origin = .replay
      slots[index].command = entry.command
      slots[index].flags = entry.flags
      slots[index].offset = entry.offset
      slots[index].length = entry.length
      slots[index].block = entry.block
      slots[index].silences = silences
      replays.insert(index)
      enqueue(index, lane)
      replayNext += 1
    }
    guard replayNext == replayEnd, replays.count == 0 else { return }
    // From a server that offers no flush nothing more can be had: it has taken all of it again.
    if !isFlushOffered(lane) { forget(upTo: replayEnd) }
    raise(lane)
  }

  // MARK: silence

  /// Gives connections up on which a request has waited too long.
  mutating func expire() {
    for lane in lanes.indices {
      guard let end = deadline(of: lane), end <= now else { continue }
      let index = oldest(lane)
      let (time, askedAt) = (limit(for: index), slots[index].sentAt)
      if slots[index].isFromKernel { slots[index].silences += 1 } else { silences += 1 }
      lose(lane, .silent(time))
      // One way has gone quiet: the others that have said nothing since are likely to be as dead, and
      // what is sent there next would wait as long again, on one after the other.
      for other in lanes.indices where lanes[other].heardAt <= askedAt {
        lose(other, .silent(time))
      }
    }
  }

  func deadline(of lane: Int) -> Int64? {
    let index = oldest(lane)
    guard index != Slot.none else { return nil }
    return slots[index].sentAt + limit(for: index).milliseconds * 1000
  }

  private func oldest(_ lane: Int) -> Int {
    lanes[lane].sent.isEmpty ? lanes[lane].leaving.first : lanes[lane].sent.first
  }

  /// Twice as long after each time that it was not enough: what takes a server long shall end some day.
  private func limit(for index: Int) -> Duration {
    settings.requestTimeout * (1 << min(slots[index].silences, 6))
  }

  // MARK: going

  /// Gives all connections up: first those that would be the next when those in use are lost.
  mutating func loseAll() {
    for lane in lanes.indices where !lanes[lane].isInUse { lose(lane, .asked) }
    for lane in lanes.indices { lose(lane, .asked) }
  }

  /// Gives a connection up; what was under way on it waits for another (rule `again`).
  mutating func lose(_ lane: Int, _ end: ConnectionEnd) {
    guard let stream = lanes[lane].stream, let terms = lanes[lane].terms else { return }
    isStirred = true
    lastSign = max(lastSign, sign(of: lane, stream))
    // The word that a server waits for which is going away (T-029); there is room for it.
    if end == .shuttingDown, lanes[lane].requestCount == 0 {
      try? stream.write(RequestHeader.disconnect(terms.replies))
    }
    let wasInUse = lanes[lane].isInUse
    let hadFlush = flush != Slot.none && slots[flush].lane == lane || carriesDurable(lane)
    var (sent, held, leaving) = (lanes[lane].sent, lanes[lane].held, lanes[lane].leaving)
    // Rule `once`: nothing of what it may still say is heard.
    sent = beginClosing(lane, stream, &sent)
    lanes[lane].state = .down
    lanes[lane].stream = nil
    lanes[lane].terms = nil
    lanes[lane].isClosing = false
    lanes[lane].inlet.removeAll()
    lanes[lane].data = nil
    lanes[lane].hasMore = false
    lanes[lane].leaving = SlotList()
    lanes[lane].left = 0
    lanes[lane].isBlocked = false
    lanes[lane].hasFailed = false
    lanes[lane].sent = SlotList()
    lanes[lane].held = SlotList()
    putBack(&leaving)
    putBack(&sent)
    putBack(&held)
    report(.down(connection: lane, end))
    if isFailing { hasNewRoom = true }
    if hadFlush {
      // Rule `fail unknown`.
      for other in lanes.indices where lanes[other].isInUse { lose(other, .besideLostFlush) }
    }
    guard wasInUse, !lanes.contains(where: \.isInUse) else { return }
    beginOutage(lastSign: lastSign)
    // No survivor can prove anything for a connection that waits: it is the first of what comes.
    beginFirst()
  }

  private func carriesDurable(_ lane: Int) -> Bool {
    var index = lanes[lane].sent.first
    while index != Slot.none {
      if isDurableWrite(index) { return true }
      index = slots[index].next
    }
    return false
  }

  /// When the server was last heard of on a connection, by the clock that goes on in suspend.
  private func sign(of lane: Int, _ stream: ServerStream) -> Int64 {
    let ago = now - lanes[lane].heardAt
    guard let time = stream.socket.sinceLastAcknowledgement else { return bootNow }
    return bootNow - min(ago, time.milliseconds * 1000)
  }

  /// Puts requests ahead of those that wait, as if they had never been sent.
  mutating func putBack(_ list: inout SlotList) {
    var again = SlotList()
    while !list.isEmpty {
      let index = slots.removeFirst(of: &list)
      if index == flush { flush = Slot.none }
      switch slots[index].origin {
      case .kernel(let socket, _) where sockets[socket].hasEnded:
        // Whoever asked may ask again elsewhere, and then for more; this must not come after that.
        refuse(index)
      case .kernel:
        slots[index].forgetReply()
        slots[index].state = .pending
        slots[index].done = 0
        if slots[index].command == .flush {
          slots.append(index, to: &pendingFlushes)
        } else {
          slots.append(index, to: &again)
        }
      case .flush:
        slots.giveBack(index)
        wantsFlush = !ledger.isEmpty
      case .replay:
        replays.remove(index)
        slots.giveBack(index)
      }
    }
    slots.prepend(&again, to: &pending)
  }
}
