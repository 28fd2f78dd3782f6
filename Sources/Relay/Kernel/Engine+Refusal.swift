// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD
internal import Synchronization

/// Requests that no server will get: nobody awaits them any more, or no connection is awaited.
extension Engine {
  /// What has to wait for a connection is answered with an error instead.
  var isRefusing: Bool { isFailing && !lanes.contains(where: \.isInUse) }

  /// Answers all that wait for a connection with errors.
  mutating func refuseAll() {
    while !pending.isEmpty { refuse(slots.removeFirst(of: &pending)) }
    while !pendingFlushes.isEmpty { refuse(slots.removeFirst(of: &pendingFlushes)) }
    refuseClosing { _ in true }
  }

  /// Answers those of them with errors that are not wanted any more.
  mutating func refuseWaiting(where isUnwanted: (Slot) -> Bool) {
    pending = refusing(in: pending, where: isUnwanted)
    pendingFlushes = refusing(in: pendingFlushes, where: isUnwanted)
    refuseClosing(where: isUnwanted)
  }

  /// Answers a request with an error; the slot is in no list.
  mutating func refuse(_ index: Int) {
    if slots[index].isCounted { changesUnderWay -= 1 }
    slots[index].isCounted = false
    if slots[index].command == .write, let block = slots[index].block { release(writing: block) }
    if slots[index].command == .write { slots[index].block = nil }
    if isAwaited(index) { counters.requestsRefused.add(1, ordering: .relaxed) }
    answer(index, ErrorNumber.inputOutput.rawValue)
  }

  /// The kernel has said goodbye on a socket, or has closed it: it awaits nothing there any more.
  ///
  /// What the server has of it runs its course, but is not sent again.
  mutating func close(_ socket: Int) {
    guard !sockets[socket].hasEnded else { return }
    sockets[socket].hasEnded = true
    sockets[socket].isHeld = false
    sockets[socket].heldSince = .max
    isStirred = true
    let arriving = sockets[socket].arriving
    sockets[socket].arriving = Slot.none
    if arriving != Slot.none { refuse(arriving) }
    while !sockets[socket].answers.isEmpty {
      free(slots.removeFirst(of: &sockets[socket].answers))
    }
    refuseWaiting {
      if case .kernel(socket, _) = $0.origin { true } else { false }
    }
  }

  /// Refuses some of a list, and answers what is left.
  private mutating func refusing(
    in list: SlotList, where isUnwanted: (Slot) -> Bool
  ) -> SlotList {
    var (list, others) = (list, SlotList())
    while !list.isEmpty {
      let index = slots.removeFirst(of: &list)
      if isUnwanted(slots[index]) { refuse(index) } else { slots.append(index, to: &others) }
    }
    return others
  }

  /// Whether the kernel still awaits an answer to its request.
  func isAwaited(_ index: Int) -> Bool {
    if case .kernel(let socket, _) = slots[index].origin { !sockets[socket].hasEnded } else { true }
  }
}
