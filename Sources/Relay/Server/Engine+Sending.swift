// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD
internal import Synchronization
internal import Transport

/// Requests to the server.
extension Engine {
  /// Distributes waiting requests to the connections that may carry them.
  mutating func dispatch() {
    // Nothing is sent after a failed write that the server may still execute.
    guard !closing.contains(where: \.hasRefused) else { return }
    while !pending.isEmpty, let connection = leastLoaded,
      let slot = slots.removeFirst(of: &pending)
    {
      enqueue(slot, on: connection)
    }
    dispatchFlush()
  }

  /// The usable connection with the least load.
  var leastLoaded: ConnectionID? {
    var best: ConnectionID?
    for connection in connections.indices {
      guard connections[connection].state == .up, !connections[connection].isShuttingDown else {
        continue
      }
      let count = connections[connection].requestCount
      if let best, connections[best].requestCount <= count { continue }
      best = connection
    }
    return best
  }

  /// Queues the next piece of a request for sending; the slot is in no list.
  mutating func enqueue(_ slot: SlotID, on connection: ConnectionID) {
    slots[slot].forgetReply()
    slots[slot].state = .leaving
    slots[slot].connection = connection
    slots[slot].sentAt = now
    let left = slots[slot].length - slots[slot].done
    let carriesData = slots[slot].command == .read || slots[slot].command == .write
    slots[slot].piece = carriesData ? min(left, connections[connection].largestPayload) : left
    // Rule `cover`: this flush may not cover what is acknowledged from here on.
    if slots[slot].command == .flush {
      flushing.count += 1
      slots[slot].flushNumber = flushing.count
      slots[slot].mark = ledger.next
    }
    // Rule `once`: a cookie identifies one transmission of a request, and is never reused.
    sendings &+= 1
    slots[slot].cookie = slot.cookie(forSending: sendings)
    writeHeader(of: slot, connections[connection].replies)
    slots.append(slot, to: &connections[connection].leaving)
  }

  private func writeHeader(of slot: SlotID, _ style: ReplyStyle) {
    var header = RequestHeader(
      command: slots[slot].command.rawValue, flags: slots[slot].flags,
      cookie: slots[slot].cookie, offset: slots[slot].offset + slots[slot].done,
      length: slots[slot].piece)
    if style == .extended, slots[slot].command == .write {
      header.flags.insert(.payloadLength)
    }
    requestHeaders.write(slot.index * Self.requestHeaderRoom, Self.requestHeaderRoom) { bytes in
      header.write(style, into: &bytes)
    }
  }

  /// Sends as much as the connection accepts.
  mutating func sendRequests(over connection: ConnectionID) {
    guard let stream = connections[connection].stream else { return }
    let headerByteCount = RequestHeader.byteCount(connections[connection].replies)
    connections[connection].isBlocked = false
    while !connections[connection].leaving.isEmpty || stream.isSending {
      gatherRequests(for: connection, headerByteCount)
      do {
        guard let count = try stream.send(gather) else {
          connections[connection].isBlocked = true
          return
        }
        counters.bytesToServer.add(count, ordering: .relaxed)
        sent(count, over: connection, headerByteCount)
      } catch {
        // The server's last replies may explain more than the failure to send.
        receiveReplies(from: connection)
        if connections[connection].stream != nil { lose(connection, .connection(.sending(error))) }
        return
      }
    }
  }

  private mutating func gatherRequests(for connection: ConnectionID, _ headerByteCount: Int) {
    gather.removeAll()
    var skip = connections[connection].left
    var next = connections[connection].leaving.first
    while let slot = next, hasRoomInGather {
      add(requestHeaders, slot.index * Self.requestHeaderRoom, headerByteCount, &skip)
      if slots[slot].command == .write, let block = slots[slot].block {
        add(writes.region, block.place + Int(slots[slot].done), Int(slots[slot].piece), &skip)
      }
      next = slots[slot].next
    }
  }

  private mutating func sent(
    _ count: Int, over connection: ConnectionID, _ headerByteCount: Int
  ) {
    connections[connection].left += count
    while let slot = connections[connection].leaving.first {
      let data = slots[slot].command == .write ? Int(slots[slot].piece) : 0
      slots[slot].sentAt = now
      guard connections[connection].left >= headerByteCount + data else { return }
      connections[connection].left -= headerByteCount + data
      slots.remove(slot, from: &connections[connection].leaving)
      slots[slot].state = .sent
      slots.append(slot, to: &connections[connection].sent)
    }
  }
}
