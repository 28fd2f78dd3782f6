// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Kernel
internal import NBD

/// What a request comes to when the server has answered it.
extension Engine {
  /// The server has answered the piece under way.
  mutating func complete(_ index: Int, _ lane: Int) throws(LaneEnd) {
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
  private mutating func shuttingDown(_ index: Int, _ lane: Int) throws(LaneEnd) {
    lanes[lane].isClosing = true
    var refused = SlotList()
    slots.append(index, to: &refused)
    putBack(&refused)
    if lanes[lane].sent.isEmpty { throw .shuttingDown }
  }

  private mutating func finish(_ index: Int, _ lane: Int) throws(LaneEnd) {
    let error = slots[index].error
    if slots[index].command == .flush { return try finishFlush(index, error) }
    switch slots[index].origin {
    case .kernel:
      if slots[index].command.changesData { keep(index, lane) }
      answer(index, error)
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
  private mutating func finishFlush(_ index: Int, _ error: UInt32) throws(LaneEnd) {
    flush = Slot.none
    let isOwn = !slots[index].isFromKernel
    if error == 0 { covered(upTo: slots[index].mark, by: slots[index].flushNumber) }
    if isOwn {
      slots.giveBack(index)
      silences = 0
    } else {
      answer(index, error)
    }
    // A write under way counts: the server may have executed it, and spoilt it with this flush.
    let isUnderWay = settings.holds(.fail) && changesUnderWay > 0
    guard error != 0, !ledger.isEmpty || isUnderWay else { return }
    wantsFlush = wantsFlush || isOwn
    let end = LaneEnd.flushFailed(ErrorNumber(wire: error), isTold: !isOwn)
    for other in lanes.indices where lanes[other].stream != nil { lose(other, end) }
    throw end
  }

  /// Rule `keep`: what is about to be acknowledged enters the ledger, unless it is durable already.
  ///
  /// Even that enters where older entries are, because their replay could undo it (rule `keep overlap`).
  private mutating func keep(_ index: Int, _ lane: Int) {
    changesUnderWay -= 1
    slots[index].isCounted = false
    let flags = lanes[lane].terms?.export.flags ?? []
    let isDurable =
      !flags.contains(.sendFlush)
      || slots[index].flags.contains(.fua) && flags.contains(.sendFUA) && ledger.isEmpty
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
    let before = ledger.count
    ledger.cover(upTo: mark, &writePages)
    if ledger.count < before {
      hasNewRoom = hasNewRoom || sockets.contains(where: \.isHeld)
    }
    join(after: flush)
  }
}
