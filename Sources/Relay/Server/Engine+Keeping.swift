// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD

/// When a write that the server has executed may be acknowledged, and whether it is kept (rules `keep`
/// and `durable`).
extension Engine {
  /// Whether a write must be durable when its reply is sent.
  func isDurableWrite(_ slot: SlotID) -> Bool {
    settings.holds(.failDurable) && slots[slot].command.changesData
      && slots[slot].flags.contains(.fua)
  }

  /// Whether a durable write has to wait for a flush (rule `durable`).
  ///
  /// The replay of an older entry would undo it for a moment, and a crash in that moment would lose it.
  /// So it is acknowledged only when a flush has covered that entry.
  func mustBeCovered(_ slot: SlotID, on connection: ConnectionID) -> Bool {
    settings.holds(.durable) && slots[slot].error == 0 && slots[slot].command.changesData
      && isFlushOffered(on: connection) && isDurable(slot, on: connection)
      && ledger.overlaps(slots[slot].offset, slots[slot].length)
  }

  /// Makes a durable write wait for a flush.
  mutating func hold(_ slot: SlotID, on connection: ConnectionID) {
    slots[slot].state = .held
    slots[slot].mark = ledger.next
    slots.append(slot, to: &connections[connection].held)
    flushing.isWanted = true
  }

  /// Acknowledges the durable writes whose older entries are covered.
  mutating func answerHeld() {
    for connection in connections.indices where !connections[connection].held.isEmpty {
      var (list, others) = (connections[connection].held, SlotList())
      while let slot = slots.removeFirst(of: &list) {
        if slot != flushing.slot, slots[slot].mark <= ledger.first {
          keep(slot, on: connection)
          answer(slot, 0)
        } else {
          slots.append(slot, to: &others)
        }
      }
      connections[connection].held = others
    }
  }

  /// Whether a write that a server has executed is on stable storage, as far as is known.
  private func isDurable(_ slot: SlotID, on connection: ConnectionID) -> Bool {
    let flags = connections[connection].flags
    return !flags.contains(.sendFlush)
      || slots[slot].flags.contains(.fua) && flags.contains(.sendFUA)
  }

  /// Rule `keep`: enters a write into the ledger before its acknowledgement, unless it is already durable.
  mutating func keep(_ slot: SlotID, on connection: ConnectionID) {
    changesUnderWay -= 1
    slots[slot].isCounted = false
    var isDurable = isDurable(slot, on: connection)
    if !settings.holds(.durable) { isDurable = isDurable && ledger.isEmpty }
    // A copy: an access through the optional would allocate.
    let block = slots[slot].block
    if slots[slot].error == 0, !isDurable, settings.holds(.keep), isAwaited(slot) {
      ledger.append(
        Ledger.Entry(
          command: slots[slot].command, flags: slots[slot].flags, offset: slots[slot].offset,
          length: slots[slot].length, place: block?.place),
        of: record.number(of: slot))
      let isHalfFull =
        ledger.byteCount > settings.unflushedLimit / 2 || ledger.count > ledger.capacity / 2
      if isHalfFull { flushing.isWanted = true }
    } else if let block {
      releaseWrite(block)
    }
    slots[slot].block = nil
  }
}
