// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD
internal import Synchronization

/// How a request ends.
///
/// A slot in use is in exactly one list, or in none only while the function that removed it from one
/// decides what is next. A request of the kernel ends in one of two ways: `answer`, after which the slot is
/// in the list of replies until the last byte has been sent, or, if no reply is awaited, `retire`, which
/// also follows a reply. The relay's own requests end when the server has replied to them, and their slots
/// are released there (`finishFlush`, `finish`, `putBack`). All functions here take a slot that is in no
/// list.
extension Engine {
  /// Sends the kernel its only reply to a request (rule `once`); 0 means no error.
  mutating func answer(_ slot: SlotID, _ error: UInt32) {
    guard case .kernel(let socket, let cookie) = slots[slot].origin else { return }
    guard !sockets[socket].hasEnded else { return retire(slot) }
    slots[slot].state = .answering
    slots[slot].error = error
    let position = sockets[socket].queued
    record.answer(slot, error, at: position)
    enqueueAnswer(slot, cookie, at: position, on: socket)
  }

  /// Appends a reply to those that are being sent.
  mutating func enqueueAnswer(
    _ slot: SlotID, _ cookie: Cookie, at position: UInt64, on socket: SocketID
  ) {
    let error = slots[slot].error
    slots[slot].answerPosition = position
    sockets[socket].queued = position + UInt64(answerByteCount(of: slot))
    answerHeaders.write(slot.index * Self.answerHeaderRoom, Self.answerHeaderRoom) { bytes in
      SimpleReply(error: error, cookie: cookie).write(into: &bytes)
    }
    slots.append(slot, to: &sockets[socket].answers)
  }

  /// Fails a request with an error, because no server will get it.
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

  /// Releases the resources of a request that was replied to, or whose reply is not awaited.
  mutating func retire(_ slot: SlotID) {
    record.free(slot)
    if slots[slot].command == .read, let block = slots[slot].block { reads.release(block) }
    slots.release(slot)
    announceRoom()
    // It may have been the last one that the relay waited for.
    if leavingBy != nil { isStirred = true }
  }

  /// Releases the data of a write that is finished, or that no flush has to cover any more.
  mutating func releaseWrite(_ block: Pages.Block) {
    writes.release(block)
    announceRoom()
  }

  /// Lets held requests continue: there may be room for them now.
  mutating func announceRoom() {
    hasNewRoom = hasNewRoom || sockets.contains(where: \.isHeld)
  }

  /// Whether a reply is still awaited: by the kernel for its request, by the relay for its own.
  func isAwaited(_ slot: SlotID) -> Bool {
    if case .kernel(let socket, _) = slots[slot].origin { !sockets[socket].hasEnded } else { true }
  }
}
