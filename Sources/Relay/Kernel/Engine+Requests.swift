// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD

/// Requests from the kernel.
extension Engine {
  private static let headerByteCount = RequestHeader.byteCount(.simple)
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
    do throws(SystemError) {
      if let slot = sockets[socket].arriving, let block = slots[slot].block {
        // The buffer is empty: data goes where it belongs.
        let left = Int(slots[slot].length) - sockets[socket].arrived
        let place = block.place + sockets[socket].arrived
        let received = try sockets[socket].descriptor.receive(into: writes.region, at: place, left)
        guard let received else { return false }
        if received == 0 { close(socket) }
        sockets[socket].arrived += received
        return received == left
      }
      let (place, room) = sockets[socket].buffer.makeRoom()
      let received = try sockets[socket].descriptor.receive(
        into: sockets[socket].buffer.region, at: place, room)
      guard let received else { return false }
      if received == 0 { close(socket) }
      sockets[socket].buffer.received(received)
      // If less arrived than there was room for, there is no more.
      return received == room
    } catch {
      close(socket)
      return false
    }
  }

  private mutating func takeRequests(from socket: SocketID) {
    while !sockets[socket].hasEnded {
      if let slot = sockets[socket].arriving {
        guard takeData(of: slot, from: socket) else { return }
        continue
      }
      guard sockets[socket].buffer.count >= Self.headerByteCount else { return }
      let header = sockets[socket].buffer.read(Self.headerByteCount) { RequestHeader(compact: $0) }
      guard let header else {
        // Not a request: nothing further on this socket can be interpreted.
        return close(socket)
      }
      guard accept(header, from: socket) else { return beginHolding(on: socket) }
      sockets[socket].heldSince = nil
      sockets[socket].buffer.drop(Self.headerByteCount)
    }
  }

  /// Moves the data of a write to the store; returns false if it is incomplete.
  private mutating func takeData(of slot: SlotID, from socket: SocketID) -> Bool {
    let left = Int(slots[slot].length) - sockets[socket].arrived
    let count = min(left, sockets[socket].buffer.count)
    if count > 0 {
      if let block = slots[slot].block {
        writes.region.copy(
          count, from: sockets[socket].buffer.region, at: sockets[socket].buffer.start,
          to: block.place + sockets[socket].arrived)
      }
      sockets[socket].buffer.drop(count)
      sockets[socket].arrived += count
    }
    guard count == left else { return false }
    sockets[socket].arriving = nil
    if slots[slot].block != nil { queue(slot) } else { refuse(slot) }
    return true
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
    if isRefusing {
      // The data of a write has to be received first.
      if command == .write { expectData(of: slot, from: socket) } else { refuse(slot) }
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
    if command == .write { expectData(of: slot, from: socket) } else { queue(slot) }
    return true
  }

  /// Expects the data of a write next.
  private mutating func expectData(of slot: SlotID, from socket: SocketID) {
    slots[slot].state = .arriving
    sockets[socket].arriving = slot
    sockets[socket].arrived = 0
  }

  private var hasRoomForChange: Bool {
    ledger.count + changesUnderWay < ledger.capacity
      && ledger.byteCount < settings.unflushedLimit
  }

  /// Queues a request until there is a connection for it.
  private mutating func queue(_ slot: SlotID) {
    beginWaiting(slot)
    slots[slot].state = .pending
    if slots[slot].command == .flush {
      slots.append(slot, to: &flushing.pending)
    } else {
      slots.append(slot, to: &pending)
    }
  }
}
