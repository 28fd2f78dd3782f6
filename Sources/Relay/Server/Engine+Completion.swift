// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD

/// Completes requests to which the server has replied.
extension Engine {
  /// Called when the server has replied to the current piece.
  mutating func complete(_ slot: SlotID, on connection: ConnectionID) throws(ConnectionEnd) {
    let isOldest = connections[connection].sent.first == slot
    slots.remove(slot, from: &connections[connection].sent)
    // A server that processes requests one by one has had no time for the next before.
    if isOldest, let next = connections[connection].sent.first { slots[next].sentAt = now }
    if slots[slot].error == ErrorNumber.shutdown.rawValue {
      return try shuttingDown(slot, on: connection)
    }
    if slots[slot].error == 0, slots[slot].command == .read, missing(slot) > 0 {
      // The server reported completion but omitted some data (T-050).
      slots[slot].error = ErrorNumber.inputOutput.rawValue
    }
    if slots[slot].error == 0 {
      slots[slot].done += slots[slot].piece
      if slots[slot].done < slots[slot].length { return enqueue(slot, on: connection) }
    }
    try finish(slot, on: connection)
    if connections[connection].isShuttingDown, connections[connection].sent.isEmpty {
      throw .shuttingDown
    }
  }

  private func missing(_ slot: SlotID) -> UInt64 {
    let left = slots[slot].piece - slots[slot].covered
    return slots[slot].scattered?.missing(of: left) ?? left
  }

  /// The server announces an outage: refused requests are for the next connection (T-029).
  private mutating func shuttingDown(
    _ slot: SlotID, on connection: ConnectionID
  ) throws(ConnectionEnd) {
    connections[connection].isShuttingDown = true
    var refused = SlotList()
    slots.append(slot, to: &refused)
    putBack(&refused)
    if connections[connection].sent.isEmpty { throw .shuttingDown }
  }

  /// Delivers the result of a request: the server gets no further piece of it.
  private mutating func finish(
    _ slot: SlotID, on connection: ConnectionID
  ) throws(ConnectionEnd) {
    let error = slots[slot].error
    switch slots[slot].origin {
    case .kernel where slots[slot].command != .flush:
      let isDurable = isDurableWrite(slot)
      if mustBeCovered(slot, on: connection) {
        hold(slot, on: connection)
      } else {
        if slots[slot].command.changesData { keep(slot, on: connection) }
        answer(slot, error)
        // Servers make a write durable with a flush.
        if isDurable, error != 0 { try failFlush(error, isTold: true) }
      }
      if isDurable { try finishHeldFlush() }
    case .kernel, .flush: try finishFlush(slot, error)
    case .replay:
      let command = slots[slot].command
      replay.remove(slot)
      slots.release(slot)
      guard error == 0 else {
        throw .replayRefused(ErrorNumber(wire: error), of: command, waiting: ledger.byteCount)
      }
    }
  }
}
