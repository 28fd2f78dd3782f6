// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Synchronization

/// Replies to the kernel.
extension Engine {
  /// Enough for one system call.
  private static let sendByteCount = 4 << 20

  mutating func sendAnswers(over socket: SocketID) {
    while !sockets[socket].answers.isEmpty, !sockets[socket].hasEnded {
      gatherAnswers(for: socket)
      do throws(SystemError) {
        let position = record.sent(socket)
        let count = try gather.send(
          over: sockets[socket].descriptor, noting: record.sendNote(socket), from: position)
        guard let count else {
          sockets[socket].isBlocked = true
          return
        }
        record.setSent(position + UInt64(count), socket)
        retireAnswered(on: socket)
      } catch {
        close(socket)
      }
    }
    sockets[socket].isBlocked = false
  }

  private mutating func gatherAnswers(for socket: SocketID) {
    gather.removeAll()
    var next = sockets[socket].answers.first
    var skip = next.map { Int(record.sent(socket) - slots[$0].answerPosition) } ?? 0
    while let slot = next, hasRoomInGather {
      add(answerHeaders, slot.index * Self.answerHeaderRoom, Self.answerHeaderRoom, &skip)
      if let block = answerData(of: slot) {
        add(reads.region, block.place, Int(slots[slot].length), &skip)
      }
      next = slots[slot].next
    }
  }

  /// Whether a header and its data fit into the current batch.
  var hasRoomInGather: Bool {
    gather.hasRoom(for: 2) && gather.byteCount < Self.sendByteCount
  }

  /// Adds a part without those of its bytes that have already been sent.
  mutating func add(_ region: Region, _ place: Int, _ count: Int, _ skip: inout Int) {
    let gone = min(skip, count)
    skip -= gone
    gather.add(region, place + gone, count - gone)
  }

  private func answerData(of slot: SlotID) -> Pages.Block? {
    slots[slot].command == .read && slots[slot].error == 0 ? slots[slot].block : nil
  }

  /// How many bytes the reply to a request has.
  func answerByteCount(of slot: SlotID) -> Int {
    Self.answerHeaderRoom + (answerData(of: slot) == nil ? 0 : Int(slots[slot].length))
  }

  /// Retires the requests whose replies were sent.
  private mutating func retireAnswered(on socket: SocketID) {
    let sent = record.sent(socket)
    while let slot = sockets[socket].answers.first {
      guard slots[slot].answerPosition + UInt64(answerByteCount(of: slot)) <= sent else { return }
      slots.remove(slot, from: &sockets[socket].answers)
      counters.operations.count(
        slots[slot].command, bytes: slots[slot].error == 0 ? Int(slots[slot].length) : 0,
        latency: bootNow - slots[slot].arrivedAt)
      retire(slot)
      counters.requestsAnswered.add(1, ordering: .relaxed)
    }
  }
}
