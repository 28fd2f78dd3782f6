// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD

/// What a request comes to when the server has answered it.
extension Engine {
  /// The server has answered the piece under way.
  mutating func complete(_ index: Int, _ lane: Int) throws(ConnectionEnd) {
    let isOldest = lanes[lane].sent.first == index
    slots.remove(index, from: &lanes[lane].sent)
    // Who answers one after the other has had no time for the next before.
    if isOldest, !lanes[lane].sent.isEmpty { slots[lanes[lane].sent.first].sentAt = now }
    if slots[index].error == ErrorNumber.shutdown.rawValue {
      return try shuttingDown(index, lane)
    }
    if slots[index].error == 0, slots[index].command == .read, missing(index) > 0 {
      // The server said that it is done, and has left something out (T-050).
      slots[index].error = ErrorNumber.inputOutput.rawValue
    }
    if slots[index].error == 0 {
      slots[index].done += slots[index].piece
      if slots[index].done < slots[index].length { return enqueue(index, lane) }
    }
    try finish(index, lane)
    if lanes[lane].isClosing, lanes[lane].sent.isEmpty { throw .shuttingDown }
  }

  private func missing(_ index: Int) -> UInt64 {
    let left = slots[index].piece - slots[index].covered
    return slots[index].scattered?.missing(of: left) ?? left
  }

  /// An outage is announced: what is refused is for the next connection (T-029).
  private mutating func shuttingDown(_ index: Int, _ lane: Int) throws(ConnectionEnd) {
    lanes[lane].isClosing = true
    var refused = SlotList()
    slots.append(index, to: &refused)
    putBack(&refused)
    if lanes[lane].sent.isEmpty { throw .shuttingDown }
  }

  private mutating func finish(_ index: Int, _ lane: Int) throws(ConnectionEnd) {
    let error = slots[index].error
    if slots[index].command == .flush { return try finishFlush(index, error) }
    switch slots[index].origin {
    case .kernel:
      let isDurable = isDurableWrite(index)
      if mustBeCovered(index, lane) {
        hold(index, lane)
      } else {
        if slots[index].command.changesData { keep(index, lane) }
        answer(index, error)
        // A server makes a write durable by a flush.
        if isDurable, error != 0 { try failFlush(error, isTold: true) }
      }
      if isDurable, flush != Slot.none, slots[flush].state == .held, !isBesideDurable {
        let carrier = slots[flush].lane
        slots.remove(flush, from: &lanes[carrier].held)
        try finishFlush(flush, 0)
      }
    case .flush: break
    case .replay:
      let command = slots[index].command
      replays.remove(index)
      slots.giveBack(index)
      guard error == 0 else {
        throw .replayRefused(ErrorNumber(wire: error), of: command, waiting: ledger.byteCount)
      }
    }
  }

  /// The server has answered a flush (rules `cover` and `fail`).
  ///
  /// After one that failed, no later one says anything of what was acknowledged before, because a server
  /// may forget what it could not write. So that is sent again, on new connections.
  private mutating func finishFlush(_ index: Int, _ error: UInt32) throws(ConnectionEnd) {
    if slots[index].state != .held { sendingsBeforeFlush = sendings }
    if error == 0, isBesideDurable {
      // One of these may have failed before it, and hides behind its success (rule `fail alone`).
      slots[index].state = .held
      slots.append(index, to: &lanes[slots[index].lane].held)
      return
    }
    flush = Slot.none
    let isOwn = !slots[index].isFromKernel
    if error == 0 { covered(upTo: slots[index].mark, by: slots[index].flushNumber) }
    if isOwn {
      slots.giveBack(index)
      silences = 0
    } else {
      answer(index, error)
    }
    if error != 0 { try failFlush(error, isTold: !isOwn) }
  }

  /// Rule `fail`: ends all connections, so that what is kept is sent again.
  private mutating func failFlush(_ error: UInt32, isTold: Bool) throws(ConnectionEnd) {
    // A write under way counts: the server may have executed it, and spoilt it with this flush.
    let isUnderWay = settings.holds(.fail) && changesUnderWay > 0
    guard !ledger.isEmpty || isUnderWay else { return }
    wantsFlush = wantsFlush || !isTold
    let end = ConnectionEnd.flushFailed(ErrorNumber(wire: error), isTold: isTold)
    for other in lanes.indices where lanes[other].stream != nil { lose(other, end) }
    throw end
  }

  /// A write that is to be durable when it is answered.
  func isDurableWrite(_ index: Int) -> Bool {
    settings.holds(.failDurable) && slots[index].command.changesData
      && slots[index].flags.contains(.fua)
  }

  /// Whether a durable write is under way that was sent before the server's answer to a flush came.
  private var isBesideDurable: Bool {
    for lane in lanes.indices {
      for list in [lanes[lane].sent, lanes[lane].leaving] {
        var index = list.first
        while index != Slot.none {
          if isDurableWrite(index), slots[index].cookie >> 16 <= sendingsBeforeFlush { return true }
          index = slots[index].next
        }
      }
    }
    return false
  }

  /// Whether a durable write has to wait for a flush (rule `durable`).
  ///
  /// The replay of an older entry would undo it for a moment, and a crash in that moment would lose it.
  /// So the kernel is told of it when a flush has covered that entry.
  private func mustBeCovered(_ index: Int, _ lane: Int) -> Bool {
    settings.holds(.durable) && slots[index].error == 0 && slots[index].command.changesData
      && isFlushOffered(lane) && isDurable(index, lane)
      && ledger.overlaps(slots[index].offset, slots[index].length)
  }

  private mutating func hold(_ index: Int, _ lane: Int) {
    slots[index].state = .held
    slots[index].mark = ledger.next
    slots.append(index, to: &lanes[lane].held)
    wantsFlush = true
  }

  /// Answers the durable writes whose elder entries are covered.
  private mutating func answerHeld() {
    for lane in lanes.indices where !lanes[lane].held.isEmpty {
      var (list, others) = (lanes[lane].held, SlotList())
      while !list.isEmpty {
        let index = slots.removeFirst(of: &list)
        if index != flush, slots[index].mark <= ledger.first {
          keep(index, lane)
          answer(index, 0)
        } else {
          slots.append(index, to: &others)
        }
      }
      lanes[lane].held = others
    }
  }

  /// Whether a write that a server has done is on stable storage, as far as can be known.
  private func isDurable(_ index: Int, _ lane: Int) -> Bool {
    let flags = lanes[lane].terms?.export.flags ?? []
    return !flags.contains(.sendFlush)
      || slots[index].flags.contains(.fua) && flags.contains(.sendFUA)
  }

  /// Rule `keep`: what is about to be acknowledged enters the ledger, unless it is durable already.
  private mutating func keep(_ index: Int, _ lane: Int) {
    changesUnderWay -= 1
    slots[index].isCounted = false
    var isDurable = isDurable(index, lane)
    if !settings.holds(.durable) { isDurable = isDurable && ledger.isEmpty }
    if slots[index].error == 0, !isDurable, settings.holds(.keep), isAwaited(index) {
      ledger.append(
        Ledger.Entry(
          command: slots[index].command, flags: slots[index].flags, offset: slots[index].offset,
          length: slots[index].length, block: slots[index].block))
      let isHalfFull =
        ledger.byteCount > settings.unflushedLimit / 2 || ledger.count > ledger.capacity / 2
      if isHalfFull { wantsFlush = true }
    } else if let block = slots[index].block {
      release(writing: block)
    }
    slots[index].block = nil
  }

  mutating func release(writing block: Pages.Block) {
    writePages.release(block)
    hasNewRoom = hasNewRoom || sockets.contains(where: \.isHeld)
  }

  private mutating func covered(upTo mark: UInt64, by flush: UInt64) {
    forget(upTo: mark)
    join(after: flush)
    answerHeld()
  }

  /// What was acknowledged up to there is not kept any longer.
  mutating func forget(upTo mark: UInt64) {
    let before = ledger.count
    ledger.cover(upTo: mark, &writePages)
    if ledger.count < before {
      hasNewRoom = hasNewRoom || sockets.contains(where: \.isHeld)
    }
  }
}
