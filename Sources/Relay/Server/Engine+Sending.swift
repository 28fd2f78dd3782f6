// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD
internal import Synchronization
internal import Transport

/// Requests to the server.
extension Engine {
  /// Gives what waits to the connections that may carry it.
  mutating func dispatch() {
    // After a write that was answered with an error, and that the server may still execute, nothing else.
    guard !closing.contains(where: \.hasRefused) else { return }
    while !pending.isEmpty, let lane = laneForNext() {
      let index = slots.removeFirst(of: &pending)
      enqueue(index, lane)
    }
    dispatchFlush()
  }

  /// Sends a flush: it covers what the server has answered before, on whichever connection, because there
  /// are several only where it says that they are safe (T-011).
  ///
  /// What is still under way it need not cover: the kernel waits for that itself before it flushes. There is
  /// one at a time (rule `fail alone`), or a success that came first would hide a failure.
  private mutating func dispatchFlush() {
    // A kernel that cannot flush takes for durable what it was told is done.
    let wantsOwn = wantsFlush || !settings.kernelFlushes && !ledger.isEmpty
    guard flush == Slot.none, wantsOwn || !pendingFlushes.isEmpty, let lane = laneForNext() else {
      return
    }
    guard isFlushOffered(lane) || !pendingFlushes.isEmpty else {
      wantsFlush = false
      return
    }
    if !pendingFlushes.isEmpty {
      flush = slots.removeFirst(of: &pendingFlushes)
    } else if let index = slots.take(leaving: 0) {
      flush = index
      slots[index].origin = .flush
      slots[index].command = .flush
    } else {
      return
    }
    wantsFlush = false
    if !slots[flush].isFromKernel { slots[flush].silences = silences }
    enqueue(flush, lane)
  }

  /// The usable connection with the least to do.
  private func laneForNext() -> Int? {
    var best: Int?
    for lane in lanes.indices where lanes[lane].state == .up && !lanes[lane].isClosing {
      if let other = best, lanes[other].requestCount <= lanes[lane].requestCount { continue }
      best = lane
    }
    return best
  }

  /// Puts the next piece of a request on its way; the slot is in no list.
  mutating func enqueue(_ index: Int, _ lane: Int) {
    guard let style = lanes[lane].terms?.replies else { return }
    slots[index].forgetReply()
    slots[index].state = .leaving
    slots[index].lane = lane
    slots[index].sentAt = now
    let left = slots[index].length - slots[index].done
    let carriesData = slots[index].command == .read || slots[index].command == .write
    slots[index].piece = carriesData ? min(left, lanes[lane].largestPayload) : left
    // Rule `cover`: what is acknowledged from here on, this flush may not cover.
    if slots[index].command == .flush {
      flushes += 1
      slots[index].flushNumber = flushes
      slots[index].mark = ledger.next
    }
    // Rule `once`: a cookie stands for one sending of a request, and is never used again.
    sendings &+= 1
    slots[index].cookie = sendings << 16 | UInt64(index)
    var header = RequestHeader(
      command: slots[index].command.rawValue, flags: slots[index].flags,
      cookie: slots[index].cookie, offset: slots[index].offset + slots[index].done,
      length: slots[index].piece)
    if style == .extended, slots[index].command == .write {
      header.flags.insert(.payloadLength)
    }
    requestHeaders.write(index * Self.requestHeaderRoom, Self.requestHeaderRoom) { bytes in
      header.write(style, into: &bytes)
    }
    slots.append(index, to: &lanes[lane].leaving)
  }

  /// Sends what the connection takes.
  mutating func sendRequests(_ lane: Int) {
    guard let stream = lanes[lane].stream, let style = lanes[lane].terms?.replies else { return }
    let headerByteCount = RequestHeader.byteCount(style)
    lanes[lane].isBlocked = false
    while !lanes[lane].leaving.isEmpty || stream.isSending {
      gather.removeAll()
      var skip = lanes[lane].left
      var index = lanes[lane].leaving.first
      while index != Slot.none, gather.count + 2 <= 64, gather.byteCount < 4 << 20 {
        add(requestHeaders, index * Self.requestHeaderRoom, headerByteCount, &skip)
        if slots[index].command == .write, let block = slots[index].block {
          add(writes, block.place + Int(slots[index].done), Int(slots[index].piece), &skip)
        }
        index = slots[index].next
      }
      do {
        guard let count = try stream.send(gather) else {
          lanes[lane].isBlocked = true
          return
        }
        counters.bytesToServer.add(count, ordering: .relaxed)
        sent(lane, count, headerByteCount)
      } catch {
        // What the server said last may tell more than the failure to send.
        receiveReplies(lane)
        if lanes[lane].stream != nil { lose(lane, .connection(.sending(error))) }
        return
      }
    }
  }

  private mutating func sent(_ lane: Int, _ count: Int, _ headerByteCount: Int) {
    lanes[lane].left += count
    while !lanes[lane].leaving.isEmpty {
      let index = lanes[lane].leaving.first
      let data = slots[index].command == .write ? Int(slots[index].piece) : 0
      guard lanes[lane].left >= headerByteCount + data else {
        slots[index].sentAt = now
        return
      }
      lanes[lane].left -= headerByteCount + data
      slots.remove(index, from: &lanes[lane].leaving)
      slots[index].state = .sent
      slots[index].sentAt = now
      slots.append(index, to: &lanes[lane].sent)
    }
  }
}
