// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD

/// Requests that no server will get: nobody awaits them any more, or no connection is awaited.
extension Engine {
  /// What has to wait for a connection is answered with an error instead.
  var isRefusing: Bool { outagePolicy != .hold && !connections.contains(where: \.isInUse) }

  /// Answers all that wait for a connection with errors.
  mutating func refuseAll() {
    while let slot = slots.removeFirst(of: &pending) { refuse(slot) }
    while let slot = slots.removeFirst(of: &flushing.pending) { refuse(slot) }
    refuseClosing { _ in true }
  }

  /// Answers those of them with errors that are not wanted any more.
  mutating func refuseWaiting(where isUnwanted: (Slot) -> Bool) {
    pending = refusing(in: pending, where: isUnwanted)
    flushing.pending = refusing(in: flushing.pending, where: isUnwanted)
    refuseClosing(where: isUnwanted)
  }

  /// Answers with errors what waits for the end of a connection, if it is wanted so.
  private mutating func refuseClosing(where isUnwanted: (Slot) -> Bool) {
    for place in closing.indices {
      let count = closing[place].waiting.count
      closing[place].waiting = refusing(in: closing[place].waiting, where: isUnwanted)
      if closing[place].waiting.count < count { closing[place].hasRefused = true }
    }
  }

  /// Refuses some of a list, and returns what is left.
  private mutating func refusing(
    in list: SlotList, where isUnwanted: (Slot) -> Bool
  ) -> SlotList {
    var (list, others) = (list, SlotList())
    while let slot = slots.removeFirst(of: &list) {
      if isUnwanted(slots[slot]) { refuse(slot) } else { slots.append(slot, to: &others) }
    }
    return others
  }

  /// The kernel has said goodbye on a socket, or has closed it: it awaits nothing there any more.
  ///
  /// What the server has of it runs its course, but is not sent again.
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
