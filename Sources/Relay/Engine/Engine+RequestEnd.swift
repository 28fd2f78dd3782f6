// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD
internal import Synchronization

/// How a request comes to an end.
///
/// A slot that is taken is in one list, or in none only while the function that took it out of one decides
/// what is next. A request of the kernel ends in one of two ways: `answer`, after which the slot is in the
/// list of answers until the last byte has left, or, where nobody awaits an answer, `retire`, which is also
/// what follows an answer. Requests of the relay's own end when the server has answered them, and their
/// slots are released there (`finishFlush`, `finish`, `putBack`). All functions here take a slot that is in
/// no list.
extension Engine {
  /// Gives the kernel its answer, the one and only (rule `once`); 0 is no error.
  mutating func answer(_ slot: SlotID, _ error: UInt32) {
    guard case .kernel(let socket, let cookie) = slots[slot].origin else { return }
    guard !sockets[socket].hasEnded else { return retire(slot) }
    slots[slot].state = .answering
    slots[slot].error = error
    answerHeaders.write(slot.index * Self.answerHeaderRoom, Self.answerHeaderRoom) { bytes in
      SimpleReply(error: error, cookie: cookie).write(into: &bytes)
    }
    slots.append(slot, to: &sockets[socket].answers)
  }

  /// Answers a request with an error, because no server will get it.
  mutating func refuse(_ slot: SlotID) {
    if slots[slot].isCounted { changesUnderWay -= 1 }
    slots[slot].isCounted = false
    if slots[slot].command == .write, let block = slots[slot].block {
      releaseWrite(block)
      slots[slot].block = nil
    }
    if isAwaited(slot) { counters.requestsRefused.add(1, ordering: .relaxed) }
    answer(slot, ErrorNumber.inputOutput.rawValue)
  }

  /// Gives back what a request has that has been answered, or that nobody awaits.
  mutating func retire(_ slot: SlotID) {
    if slots[slot].command == .read, let block = slots[slot].block { reads.release(block) }
    slots.release(slot)
    announceRoom()
  }

  /// Gives back the data of a write that has been dealt with, or that no flush has to cover any more.
  mutating func releaseWrite(_ block: Pages.Block) {
    writes.release(block)
    announceRoom()
  }

  /// What was held may go on: there may be room for it now.
  mutating func announceRoom() {
    hasNewRoom = hasNewRoom || sockets.contains(where: \.isHeld)
  }

  /// Whether the kernel still awaits an answer to its request; the relay awaits that of its own.
  func isAwaited(_ slot: SlotID) -> Bool {
    if case .kernel(let socket, _) = slots[slot].origin { !sockets[socket].hasEnded } else { true }
  }
}
