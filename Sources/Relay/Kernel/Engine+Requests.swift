// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD

/// Requests from the kernel.
extension Engine {
  static let headerByteCount = RequestHeader.byteCount(.simple)
  /// The flags that the relay passes from the kernel to the server; made once, because a literal allocates.
  private static let passedFlags: CommandFlags = [.fua, .noHole]

  /// Receives what the kernel has sent, as far as there is room for it.
  mutating func receiveRequests(from socket: SocketID) {
    takeRequests(from: socket)
    for _ in 0..<32 where !sockets[socket].isHeld && !sockets[socket].hasEnded {
      let mayBeMore = receive(from: socket)
      // Everything received is handled now: there may be no further event for it.
      takeRequests(from: socket)
      guard mayBeMore else { return }
    }
  }

  /// Receives once; returns false if nothing more has arrived.
  private mutating func receive(from socket: SocketID) -> Bool {
    let position = record.received(socket)
    let parsed = record.parsed(socket)
    let (region, place, room): (Region, Int, Int)
    if let slot = sockets[socket].arriving, let block = slots[slot].block {
      // Nothing is in the ring: data goes where it belongs.
      room = Int(parsed - position)
      (region, place) = (writes.region, block.place + Int(slots[slot].length) - room)
    } else {
      room = RecordLayout.ringByteCount - (position > parsed ? Int(position - parsed) : 0)
      (region, place) = (record.rings[socket.index], record.ringPlace(position))
    }
    do throws(SystemError) {
      let received = try sockets[socket].descriptor.receive(
        into: region, at: place, room, noting: record.receiveNote(socket), from: position)
      guard let received else { return false }
      if received == 0 { close(socket) }
      record.setReceived(position + UInt64(received), socket)
      // If less arrived than there was room for, there is no more.
      return received == room
    } catch {
      close(socket)
      return false
    }
  }

  /// Accepts all requests that have come, as far as there is room for them.
  mutating func takeRequests(from socket: SocketID) {
    while !sockets[socket].hasEnded {
      let (received, parsed) = (record.received(socket), record.parsed(socket))
      if let slot = sockets[socket].arriving {
        guard received >= parsed else { return }
        sockets[socket].arriving = nil
        if slots[slot].block != nil { queue(slot) } else { refuse(slot) }
        continue
      }
      guard received >= parsed + UInt64(Self.headerByteCount) else { return }
      let header = record.rings[socket.index].read(
        record.ringPlace(parsed), Self.headerByteCount
      ) { RequestHeader(compact: $0) }
      guard let header else {
        // Not a request: nothing further on this socket can be interpreted.
        return close(socket)
      }
      guard accept(header, from: socket) else { return beginHolding(on: socket) }
      sockets[socket].heldSince = nil
    }
  }

  /// Finds room for a request; returns false if it has to wait.
  private mutating func accept(_ header: RequestHeader, from socket: SocketID) -> Bool {
    let command = Command(rawValue: header.command)
    if command == .disconnect {
      close(socket)
      return true
    }
    guard let slot = slots.take(leaving: Self.ownSlots) else { return false }
    slots[slot].origin = .kernel(socket: socket, cookie: header.cookie)
    slots[slot].flags = header.flags.intersection(Self.passedFlags)
    slots[slot].offset = header.offset
    slots[slot].length = header.length
    slots[slot].command = command ?? .cache
    slots[slot].arrivedAt = bootNow
    if isRefusing {
      record(slot, from: socket, header.cookie)
      // The data of a write has to be received first.
      if command != .write { refuse(slot) }
      return true
    }
    let hasRoom: Bool
    switch command {
    case .read:
      slots[slot].block = reads.reserve(Int(header.length))
      hasRoom = slots[slot].block != nil
    case .write:
      slots[slot].block = hasRoomForChange ? writes.reserve(Int(header.length)) : nil
      hasRoom = slots[slot].block != nil
    case .trim, .writeZeroes: hasRoom = hasRoomForChange
    case .flush: hasRoom = true
    case .disconnect, .cache, .blockStatus, .resize, nil:
      // The kernel was not told that it may send this.
      record(slot, from: socket, header.cookie)
      answer(slot, ErrorNumber.invalid.rawValue)
      return true
    }
    let isChange = slots[slot].command.changesData
    guard hasRoom else {
      slots.release(slot)
      // Rule `bound`: the relay's own flush makes room if the ledger occupies it.
      if isChange, !ledger.isEmpty { flushing.isWanted = true }
      return false
    }
    if isChange { changesUnderWay += 1 }
    slots[slot].isCounted = isChange
    record(slot, from: socket, header.cookie)
    if command != .write { queue(slot) }
    return true
  }

  /// Makes a request one of the Record's, and expects the data of a write next.
  private mutating func record(_ slot: SlotID, from socket: SocketID, _ cookie: Cookie) {
    let begin = record.parsed(socket) + UInt64(Self.headerByteCount)
    var request = RecordedRequest(
      slot, slots[slot], number: record.takeNumber(), from: socket, cookie: cookie, begin: begin)
    guard request.command == .write else {
      record.write(request)
      return record.setParsed(begin, socket)
    }
    let arrived = min(request.length, record.received(socket) - begin)
    request.isCopied = arrived == 0 || request.place == nil
    record.write(request)
    record.setParsed(begin + request.length, socket)
    if !request.isCopied { copyArrived(slot, from: socket, begin, Int(arrived)) }
    slots[slot].state = .arriving
    sockets[socket].arriving = slot
  }

  /// Copies the data of a write that has come along with its header from the ring to the store.
  mutating func copyArrived(
    _ slot: SlotID, from socket: SocketID, _ begin: UInt64, _ count: Int
  ) {
    guard let block = slots[slot].block else { return }
    writes.region.copy(
      count, from: record.rings[socket.index], at: record.ringPlace(begin), to: block.place)
    record.setCopied(slot)
  }

  private var hasRoomForChange: Bool {
    ledger.hasRoom(for: changesUnderWay + 1) && ledger.byteCount < settings.unflushedLimit
  }

  /// Queues a request until there is a connection for it.
  mutating func queue(_ slot: SlotID) {
    beginWaiting(slot)
    slots[slot].state = .pending
    if slots[slot].command == .flush {
      slots.append(slot, to: &flushing.pending)
    } else {
      slots.append(slot, to: &pending)
    }
  }
}
