// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Synchronization

/// Requests from the kernel, and the answers it gets.
extension Engine {
  private static let headerByteCount = RequestHeader.byteCount(.simple)
  /// What a request of the kernel may say to the server; made once, because a literal is an allocation.
  private static let passedFlags: CommandFlags = [.fua, .noHole]

  // MARK: requests

  /// Takes what the kernel has sent, as far as there is room for it.
  mutating func receiveRequests(_ socket: Int) {
    takeRequests(socket)
    for _ in 0..<32 where !sockets[socket].isHeld && !sockets[socket].hasEnded {
      let mayBeMore = receive(socket)
      // Whatever has come is dealt with now: no other event may remind of it.
      takeRequests(socket)
      guard mayBeMore else { return }
    }
  }

  /// Receives once; false if nothing more has come.
  private mutating func receive(_ socket: Int) -> Bool {
    do throws(SystemError) {
      let descriptor = sockets[socket].descriptor
      let arriving = sockets[socket].arriving
      if arriving != Slot.none, let block = slots[arriving].block {
        // The inlet is empty: data goes where it belongs.
        let left = Int(slots[arriving].length) - sockets[socket].arrived
        let place = block.place + sockets[socket].arrived
        guard let count = try descriptor.receive(into: writes, at: place, left) else {
          return false
        }
        if count == 0 { close(socket) }
        sockets[socket].arrived += count
        return count == left
      }
      let (place, room) = sockets[socket].inlet.makeRoom()
      let region = sockets[socket].inlet.region
      guard let count = try descriptor.receive(into: region, at: place, room) else { return false }
      if count == 0 { close(socket) }
      sockets[socket].inlet.received(count)
      // Where less came than there was room for, there is no more.
      return count == room
    } catch {
      close(socket)
      return false
    }
  }

  private mutating func takeRequests(_ socket: Int) {
    sockets[socket].isHeld = false
    while !sockets[socket].hasEnded {
      if sockets[socket].arriving != Slot.none {
        guard takeData(socket) else { return }
        continue
      }
      guard sockets[socket].inlet.count >= Self.headerByteCount else { return }
      let header = sockets[socket].inlet.region.read(
        sockets[socket].inlet.start, Self.headerByteCount
      ) { RequestHeader(compact: $0) }
      guard let header else {
        // Not a request: nothing on this socket means anything any more.
        return close(socket)
      }
      guard accept(header, socket) else {
        sockets[socket].isHeld = true
        beginHolding(socket)
        return
      }
      sockets[socket].heldSince = .max
      sockets[socket].inlet.drop(Self.headerByteCount)
    }
  }

  /// Moves the data of a write to where it stays; false if not all of it is here.
  private mutating func takeData(_ socket: Int) -> Bool {
    let index = sockets[socket].arriving
    let left = Int(slots[index].length) - sockets[socket].arrived
    let count = min(left, sockets[socket].inlet.count)
    if count > 0 {
      if let block = slots[index].block {
        writes.copy(
          count, from: sockets[socket].inlet.region, at: sockets[socket].inlet.start,
          to: block.place + sockets[socket].arrived)
      }
      sockets[socket].inlet.drop(count)
      sockets[socket].arrived += count
    }
    guard count == left else { return false }
    sockets[socket].arriving = Slot.none
    if slots[index].block != nil {
      wait(index)
    } else {
      answer(index, ErrorNumber.inputOutput.rawValue)
    }
    return true
  }

  /// Finds room for a request; false if it has to wait.
  private mutating func accept(_ header: RequestHeader, _ socket: Int) -> Bool {
    let command = Command(rawValue: header.command)
    if command == .disconnect {
      close(socket)
      return true
    }
    guard let index = slots.take(leaving: Self.ownSlots) else { return false }
    slots[index].origin = .kernel(socket: socket, cookie: header.cookie)
    slots[index].flags = header.flags.intersection(Self.passedFlags)
    slots[index].offset = header.offset
    slots[index].length = header.length
    slots[index].command = command ?? .cache
    if isRefusing {
      // The data of a write has to be passed over first.
      if command == .write { expectData(index, socket) } else { refuse(index) }
      return true
    }
    switch command {
    case .read: slots[index].block = readPages.reserve(Int(header.length))
    case .write:
      slots[index].block = hasRoomForChange ? writePages.reserve(Int(header.length)) : nil
    case .flush, .trim, .writeZeroes: break
    default:
      // Nothing that the kernel was told it may ask for.
      answer(index, ErrorNumber.invalid.rawValue)
      return true
    }
    let needsBlock = command == .read || command == .write
    let isChange = slots[index].command.changesData
    if needsBlock && slots[index].block == nil || isChange && !hasRoomForChange {
      slots.giveBack(index)
      // Rule `bound`: a flush of our own makes the room, if the ledger is what takes it.
      if isChange, !ledger.isEmpty { wantsFlush = true }
      return false
    }
    if isChange { changesUnderWay += 1 }
    slots[index].isCounted = isChange
    if command == .write { expectData(index, socket) } else { wait(index) }
    return true
  }

  /// The data of a write comes next.
  private mutating func expectData(_ index: Int, _ socket: Int) {
    slots[index].state = .arriving
    sockets[socket].arriving = index
    sockets[socket].arrived = 0
  }

  private var hasRoomForChange: Bool {
    ledger.count + changesUnderWay < ledger.capacity
      && ledger.byteCount < settings.unflushedLimit
  }

  /// Lets a request wait for a connection.
  private mutating func wait(_ index: Int) {
    beginWaiting(index)
    slots[index].state = .pending
    if slots[index].command == .flush {
      slots.append(index, to: &pendingFlushes)
    } else {
      slots.append(index, to: &pending)
    }
  }

  // MARK: answers

  /// Gives the kernel its answer, the one and only (rule `once`); 0 is no error.
  ///
  /// The slot is in no list.
  mutating func answer(_ index: Int, _ error: UInt32) {
    guard case .kernel(let socket, let cookie) = slots[index].origin else { return }
    guard !sockets[socket].hasEnded else { return free(index) }
    slots[index].state = .answering
    slots[index].error = error
    answerHeaders.write(index * Self.answerHeaderRoom, Self.answerHeaderRoom) { bytes in
      SimpleReply(error: error, cookie: cookie).write(into: &bytes)
    }
    slots.append(index, to: &sockets[socket].answers)
  }

  mutating func sendAnswers(_ socket: Int) {
    while !sockets[socket].answers.isEmpty, !sockets[socket].hasEnded {
      gather.removeAll()
      var skip = sockets[socket].answered
      var index = sockets[socket].answers.first
      while index != Slot.none, gather.count + 2 <= 64, gather.byteCount < 4 << 20 {
        let place = index * Self.answerHeaderRoom
        add(answerHeaders, place, Self.answerHeaderRoom, &skip)
        if let block = answerData(index) {
          add(reads, block.place, Int(slots[index].length), &skip)
        }
        index = slots[index].next
      }
      do throws(SystemError) {
        guard let count = try gather.send(over: sockets[socket].descriptor) else {
          sockets[socket].isBlocked = true
          return
        }
        answered(socket, count)
      } catch {
        close(socket)
      }
    }
    sockets[socket].isBlocked = false
  }

  /// Adds a part without those of its bytes that have left already.
  mutating func add(_ region: Region, _ place: Int, _ count: Int, _ skip: inout Int) {
    let gone = min(skip, count)
    skip -= gone
    gather.add(region, place + gone, count - gone)
  }

  private func answerData(_ index: Int) -> Pages.Block? {
    slots[index].command == .read && slots[index].error == 0 ? slots[index].block : nil
  }

  private mutating func answered(_ socket: Int, _ count: Int) {
    sockets[socket].answered += count
    while !sockets[socket].answers.isEmpty {
      let index = sockets[socket].answers.first
      let data = answerData(index) == nil ? 0 : Int(slots[index].length)
      guard sockets[socket].answered >= Self.answerHeaderRoom + data else { return }
      sockets[socket].answered -= Self.answerHeaderRoom + data
      slots.remove(index, from: &sockets[socket].answers)
      free(index)
      counters.requestsAnswered.add(1, ordering: .relaxed)
    }
  }

  /// Gives back what a request has that has been answered, or that nobody awaits.
  mutating func free(_ index: Int) {
    if slots[index].command == .read, let block = slots[index].block { readPages.release(block) }
    slots.giveBack(index)
    hasNewRoom = hasNewRoom || sockets.contains(where: \.isHeld)
  }
}
