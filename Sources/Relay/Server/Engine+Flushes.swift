// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD

/// The flushes of a relay.
struct Flushing {
  /// How many have been sent.
  var count: UInt64 = 0
  /// The one in progress: one at a time (rule `fail alone`).
  var slot: SlotID?
  /// The last transmission when the server's reply to it arrived.
  var lastSending: UInt64 = 0
  /// Those of the kernel that wait for a connection or for the one in progress.
  var pending = SlotList()
  /// The relay needs one of its own.
  var isWanted = false
}

/// When a flush is sent, and what its reply means.
extension Engine {
  /// Sends a flush: it covers everything to which the server has replied, on any connection, because there
  /// are several only if the server declares that safe (T-011).
  ///
  /// It need not cover requests in flight: the kernel itself waits for these before it flushes. There is one
  /// at a time (rule `fail alone`), otherwise a success that arrives first would hide a failure.
  mutating func dispatchFlush() {
    // A kernel that cannot flush considers every acknowledged write durable.
    let wantsOwn = flushing.isWanted || !settings.kernelFlushes && !ledger.isEmpty
    guard flushing.slot == nil, wantsOwn || !flushing.pending.isEmpty,
      let connection = leastLoaded
    else { return }
    guard isFlushOffered(on: connection) || !flushing.pending.isEmpty else {
      flushing.isWanted = false
      return
    }
    let slot: SlotID
    if let first = slots.removeFirst(of: &flushing.pending) {
      slot = first
    } else if let own = slots.take(leaving: 0) {
      slot = own
      slots[slot].origin = .flush
      slots[slot].command = .flush
      slots[slot].silences = silences
    } else {
      return
    }
    flushing.slot = slot
    flushing.isWanted = false
    enqueue(slot, on: connection)
  }

  /// Called when the server has replied to a flush (rules `cover` and `fail`).
  ///
  /// After a failed flush, a later one proves nothing about what was acknowledged before, because a server
  /// may forget what it could not write. So that is sent again, on new connections.
  mutating func finishFlush(_ slot: SlotID, _ error: UInt32) throws(ConnectionEnd) {
    if slots[slot].state != .held { flushing.lastSending = sendings }
    if error == 0, isBesideDurable {
      // One of these may have failed before it, hidden by its success (rule `fail alone`).
      slots[slot].state = .held
      slots.append(slot, to: &connections[slots[slot].connection].held)
      return
    }
    flushing.slot = nil
    let isOwn = !slots[slot].isFromKernel
    if error == 0 { covered(upTo: slots[slot].mark, by: slots[slot].flushNumber) }
    if isOwn {
      slots.release(slot)
      silences = 0
    } else {
      answer(slot, error)
    }
    if error != 0 { try failFlush(error, isTold: !isOwn) }
  }

  /// Called when a durable write got its reply: a flush that waited for it may count now.
  mutating func finishHeldFlush() throws(ConnectionEnd) {
    guard let slot = flushing.slot, slots[slot].state == .held, !isBesideDurable else { return }
    slots.remove(slot, from: &connections[slots[slot].connection].held)
    try finishFlush(slot, 0)
  }

  /// Rule `fail`: ends all connections, so that kept writes are sent again.
  mutating func failFlush(_ error: UInt32, isTold: Bool) throws(ConnectionEnd) {
    // A write in progress counts: the server may have executed it, and lost it in this flush.
    let isUnderWay = settings.holds(.fail) && changesUnderWay > 0
    guard !ledger.isEmpty || isUnderWay else { return }
    flushing.isWanted = flushing.isWanted || !isTold
    let end = ConnectionEnd.flushFailed(ErrorNumber(wire: error), isTold: isTold)
    for connection in connections.indices { lose(connection, end) }
    throw end
  }

  /// Whether a durable write is in progress that was sent before the server's reply to a flush arrived.
  private var isBesideDurable: Bool {
    connections.contains {
      hasDurableBefore(in: $0.sent) || hasDurableBefore(in: $0.leaving)
    }
  }

  private func hasDurableBefore(in list: SlotList) -> Bool {
    slots.contains(in: list) {
      isDurableWrite($0) && SlotID.sending(in: slots[$0].cookie) <= flushing.lastSending
    }
  }

  private mutating func covered(upTo mark: UInt64, by flush: UInt64) {
    forget(upTo: mark)
    join(after: flush)
    answerHeld()
  }

  /// Drops what was acknowledged before `mark`.
  mutating func forget(upTo mark: UInt64) {
    let before = ledger.count
    ledger.cover(upTo: mark, &writes.pages)
    if ledger.count < before { announceRoom() }
  }
}
