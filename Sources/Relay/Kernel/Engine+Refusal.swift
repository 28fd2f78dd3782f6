// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD

/// Requests that no server will get: their replies are no longer awaited, or the relay does not wait for a
/// connection.
extension Engine {
  /// Whether requests that would have to wait for a connection fail with an error instead.
  var isRefusing: Bool { outagePolicy != .hold && !connections.contains(where: \.isInUse) }

  /// Fails with errors all requests that wait for a connection.
  mutating func refuseAll() {
    while let slot = slots.removeFirst(of: &pending) { refuse(slot) }
    while let slot = slots.removeFirst(of: &flushing.pending) { refuse(slot) }
    refuseClosing { _ in true }
  }

  /// Fails with errors those of them that are unwanted.
  mutating func refuseWaiting(where isUnwanted: (Slot) -> Bool) {
    pending = refusing(in: pending, where: isUnwanted)
    flushing.pending = refusing(in: flushing.pending, where: isUnwanted)
    refuseClosing(where: isUnwanted)
  }

  /// Fails with errors those requests that wait for the end of a connection and are unwanted.
  private mutating func refuseClosing(where isUnwanted: (Slot) -> Bool) {
    for place in closing.indices {
      let count = closing[place].waiting.count
      closing[place].waiting = refusing(in: closing[place].waiting, where: isUnwanted)
      if closing[place].waiting.count < count { closing[place].hasRefused = true }
    }
  }

  /// Refuses some requests of a list, and returns the rest.
  private mutating func refusing(
    in list: SlotList, where isUnwanted: (Slot) -> Bool
  ) -> SlotList {
    var (list, others) = (list, SlotList())
    while let slot = slots.removeFirst(of: &list) {
      if isUnwanted(slots[slot]) { refuse(slot) } else { slots.append(slot, to: &others) }
    }
    return others
  }

  /// Called when the kernel has sent a disconnect on a socket or closed it: it awaits nothing there any
  /// more.
  ///
  /// Requests that the server already has run their course, but are not sent again.
  mutating func close(_ socket: SocketID) {
    guard !sockets[socket].hasEnded else { return }
    sockets[socket].hasEnded = true
    sockets[socket].isBlocked = false
    sockets[socket].heldSince = nil
    isStirred = true
    if let slot = sockets[socket].arriving {
      sockets[socket].arriving = nil
      refuse(slot)
    }
    while let slot = slots.removeFirst(of: &sockets[socket].answers) { retire(slot) }
    refuseWaiting {
      if case .kernel(socket, _) = $0.origin { true } else { false }
    }
  }
}
