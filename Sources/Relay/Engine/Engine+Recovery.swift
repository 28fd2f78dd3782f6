// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
package import Linux
internal import NBD

/// A connection of a relay that has ended without closing it.
package struct FormerConnection: Sendable {
  let socket: StreamSocket
  let number: Int

  /// `number` is the caller's, for `DeviceRelay.Event.released`.
  package init(_ descriptor: Descriptor, number: Int) {
    socket = StreamSocket(connected: descriptor)
    self.number = number
  }
}

/// How a relay continues from what another one has left in the Record: from there on, the end of the old one is an
/// outage.
///
/// Every step can be repeated: a relay may also end in the middle of this.
extension Engine {
  /// Completes what the predecessor began, and brings all that is not in the Record into agreement with it.
  ///
  /// For a new Record it does nothing. A request is not answered before all of the Record has been checked.
  mutating func recover() throws(Record.Flaw) {
    for socket in sockets.indices {
      try completeTransfers(on: socket)
      resetUnusedCounters(of: socket)
    }
    let requests = try recordedRequests()
    let keptRequests = try recoverLedger()
    if !requests.isEmpty || record.lastSign != 0 { record.countSuccession() }
    for request in requests { restore(request) }
    try restoreAnswers(requests.filter { $0.answer != nil })
    var executed: [SlotID] = []
    for request in requests where request.answer == nil {
      if keptRequests.contains(request.number) {
        executed.append(request.slot)
      } else {
        try restoreData(of: request)
      }
    }
    for socket in sockets.indices { try checkPositions(of: socket) }
    // The ledger has an entry of these, so the server has executed them.
    for slot in executed { answer(slot, 0) }
    for request in requests where request.answer == nil && slots[request.slot].state == .pending {
      proceed(with: request)
    }
  }

  // MARK: transfers

  /// Sets the positions to what has really been transferred: the notes say so, and the counters of the sockets if
  /// a note is missing.
  private mutating func completeTransfers(on socket: SocketID) throws(Record.Flaw) {
    let received = record.received(socket)
    let (trustsNote, trustsCounter) = (settings.knows(.note), settings.knows(.counter))
    let noted = trustsNote ? record.receiveNote(socket).count(from: received) ?? 0 : 0
    var actual = received + UInt64(noted)
    guard received < 1 << 62, record.parsed(socket) < 1 << 62 else {
      throw .contradiction("the bytes received")
    }
    if trustsCounter, let counted = record.countedReceived(socket, at: sockets[socket].descriptor) {
      actual = max(counted, received)
    }
    let limit = max(record.parsed(socket), received) + UInt64(RecordLayout.ringByteCount)
    guard actual <= limit else { throw .contradiction("the bytes received") }
    if actual != received { record.setReceived(actual, socket) }

    let sent = record.sent(socket)
    guard sent < 1 << 62 else { throw .contradiction("the bytes sent") }
    var gone = sent + UInt64(trustsNote ? record.sendNote(socket).count(from: sent) ?? 0 : 0)
    if trustsCounter, let counted = record.countedSent(socket, at: sockets[socket].kernelEnd) {
      gone = max(counted, sent)
    }
    guard gone - sent < 1 << 31 else { throw .contradiction("the bytes sent") }
    if gone != sent { record.setSent(gone, socket) }
  }

  /// Makes the counters begin at the present positions where they have not counted anything.
  private func resetUnusedCounters(of socket: SocketID) {
    let (ours, kernels) = (sockets[socket].descriptor, sockets[socket].kernelEnd)
    if (ConsumptionCounter(of: ours).consumed ?? 0) == 0 {
      record.resetReceiveCounter(of: socket, at: ours)
    }
    let counter = ConsumptionCounter(of: kernels)
    if (counter.consumed ?? 0) == 0, counter.unread == 0 {
      record.resetSendCounter(of: socket, at: kernels)
    }
  }

  /// Makes the counters begin again before they reach their ends, while nothing is on its way.
  mutating func resetCounters() {
    let limit = ConsumptionCounter.range / 2
    for socket in sockets.indices where !sockets[socket].hasEnded {
      if record.receivedSinceReset(socket) >= limit {
        record.resetReceiveCounter(of: socket, at: sockets[socket].descriptor)
      }
      if record.sentSinceReset(socket) >= limit, sockets[socket].answers.isEmpty,
        ConsumptionCounter(of: sockets[socket].kernelEnd).unread == 0
      {
        record.resetSendCounter(of: socket, at: sockets[socket].kernelEnd)
      }
    }
  }

  // MARK: requests

  /// The requests that the predecessor had accepted and that are not over, in their order.
  private mutating func recordedRequests() throws(Record.Flaw) -> [RecordedRequest] {
    var requests: [RecordedRequest] = []
    for slot in slots.indices {
      guard let request = try record.request(in: slot) else { continue }
      record.lastRequest = max(record.lastRequest, request.number)
      if record.isOpen(request) { requests.append(request) } else { record.free(slot) }
    }
    return requests.sorted { $0.number < $1.number }
  }

  /// Reserves the pages of the ledger's entries, and returns the numbers of the requests that they are of.
  private mutating func recoverLedger() throws(Record.Flaw) -> Set<UInt64> {
    guard ledger.first <= ledger.next, ledger.next - ledger.first <= UInt64(ledger.capacity),
      ledger.isEmpty || ledger.first >= record.ledgerBase
    else { throw .contradiction("the bounds of the ledger") }
    var requests: Set<UInt64> = []
    var number = ledger.first
    while number < ledger.next {
      let (entry, request) = (ledger[number], record.request(ofEntry: ledger.index(of: number)))
      guard entry.command.changesData, entry.length <= UInt64(UInt32.max),
        (entry.place != nil) == (entry.command == .write),
        entry.offset <= UInt64.max - entry.length, request < 1 << 62
      else { throw .contradiction("an entry of the ledger") }
      if let place = entry.place {
        guard writes.reserve(Int(entry.length), at: place) != nil else {
          throw .contradiction("the data of an entry of the ledger")
        }
      }
      record.lastRequest = max(record.lastRequest, request)
      requests.insert(request)
      number += 1
    }
    ledger.countBytes()
    return requests
  }

  /// Takes the slot of a request.
  private mutating func restore(_ request: RecordedRequest) {
    let slot = request.slot
    slots.take(slot)
    slots[slot].origin = .kernel(socket: request.socket, cookie: request.cookie)
    slots[slot].command = request.command
    slots[slot].flags = request.flags
    slots[slot].offset = request.offset
    slots[slot].length = request.length
    slots[slot].arrivedAt = request.arrivedAt
  }

  /// Continues to send the answers that the predecessor had recorded.
  private mutating func restoreAnswers(_ requests: [RecordedRequest]) throws(Record.Flaw) {
    for socket in sockets.indices { sockets[socket].queued = record.sent(socket) }
    for request in requests.sorted(by: { $0.answer ?? 0 < $1.answer ?? 0 }) {
      let (slot, socket, position) = (request.slot, request.socket, request.answer ?? 0)
      // The first one may have been sent in part.
      let isNext =
        sockets[socket].answers.isEmpty
        ? position <= record.sent(socket) : position == sockets[socket].queued
      guard isNext else { throw .contradiction("the answers") }
      if request.command == .read, request.error == 0 { try reserve(request) }
      slots[slot].state = .answering
      slots[slot].error = request.error
      enqueueAnswer(slot, request.cookie, at: position, on: socket)
    }
  }

  /// Restores the data of a request without an answer, which is still arriving or waits.
  private mutating func restoreData(of request: RecordedRequest) throws(Record.Flaw) {
    let (slot, socket) = (request.slot, request.socket)
    try reserve(request)
    let received = record.received(socket)
    if slots[slot].block != nil, !request.isCopied {
      guard received >= request.begin else { throw .contradiction("the data of a write") }
      copyArrived(
        slot, from: socket, request.begin, Int(min(request.length, received - request.begin)))
    }
    let isRefused = request.command == .write && slots[slot].block == nil
    slots[slot].isCounted = request.command.changesData && !isRefused
    if slots[slot].isCounted { changesUnderWay += 1 }
    guard received < request.begin + request.dataByteCount else {
      slots[slot].state = .pending
      return
    }
    guard sockets[socket].arriving == nil,
      record.parsed(socket) == request.begin + request.length
    else { throw .contradiction("the data of a write") }
    slots[slot].state = .arriving
    sockets[socket].arriving = slot
  }

  /// Reserves the pages of a request.
  private mutating func reserve(_ request: RecordedRequest) throws(Record.Flaw) {
    guard let place = request.place else { return }
    let (slot, count) = (request.slot, Int(request.length))
    switch request.command {
    case .read: slots[slot].block = reads.reserve(count, at: place)
    case .write: slots[slot].block = writes.reserve(count, at: place)
    case .disconnect, .flush, .trim, .cache, .writeZeroes, .blockStatus, .resize: break
    }
    guard slots[slot].block != nil else {
      throw .contradiction("the place of the data in slot \(slot.index)")
    }
  }

  private func checkPositions(of socket: SocketID) throws(Record.Flaw) {
    let (received, parsed) = (record.received(socket), record.parsed(socket))
    let isSound =
      sockets[socket].arriving != nil
      || parsed <= received && received - parsed <= UInt64(RecordLayout.ringByteCount)
    guard isSound else { throw .contradiction("the bytes received") }
  }

  /// Lets a request that was complete wait for a connection.
  private mutating func proceed(with request: RecordedRequest) {
    let slot = request.slot
    switch request.command {
    case .write where slots[slot].block == nil: refuse(slot)
    case .flush: slots.append(slot, to: &flushing.pending)
    case .read, .write, .trim, .writeZeroes: slots.append(slot, to: &pending)
    case .disconnect, .cache, .blockStatus, .resize: answer(slot, ErrorNumber.invalid.rawValue)
    }
  }
}
