// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Synchronization
internal import Transport

/// How long the relay bears with a request, or an outage; in microseconds of the clock that goes on in
/// suspend.
struct Patience {
  /// By how much that clock was ahead of the monotonic one when suspend was last looked for.
  var suspendedBefore: Int64 = 0
  /// When the server was last heard of, as of the loss of the last connection.
  var lastSign: Int64 = 0
  /// When a request, or the outage, may have lasted long enough; `Int64.max` if none can.
  var end = Int64.max
}

/// How long a request may wait, and what becomes of it and of the device after that.
extension Engine {
  /// A request that a user has given up has waited at least so long: what is on its way is not meant.
  private static let leastWait: Int64 = 1_000_000

  /// `giveUpAfter` in microseconds.
  private var limit: Int64? { settings.giveUpAfter.map { $0.milliseconds * 1000 } }

  /// The relay starts: the server has just been negotiated with.
  mutating func beginPatience() {
    patience.suspendedBefore = bootNow - now
    patience.lastSign = bootNow
  }

  /// Takes other bounds.
  mutating func change(giveUpAfter: Duration?, abandons: Bool) {
    settings.giveUpAfter = giveUpAfter
    settings.abandons = abandons
    patience.suspendedBefore = bootNow - now
    patience.end = limit == nil ? .max : 0
  }

  /// A request begins to wait.
  mutating func beginWaiting(_ slot: SlotID) {
    slots[slot].arrivedAt = bootNow
    checkPatience(since: bootNow)
  }

  /// A request waits for room.
  mutating func beginHolding(on socket: SocketID) {
    let since = sockets[socket].heldSince ?? bootNow
    sockets[socket].heldSince = since
    checkPatience(since: since)
  }

  /// The last connection in use has been lost; the server was last heard of at that time.
  mutating func beginOutage(lastSign: Int64) {
    patience.lastSign = lastSign
    if settings.abandons { checkPatience(since: lastSign) }
  }

  /// Has patience checked as soon as what began at a time has lasted long enough.
  private mutating func checkPatience(since start: Int64) {
    if let limit { patience.end = min(patience.end, start + limit) }
  }

  /// Gives up what has waited too long.
  mutating func checkPatience() {
    guard let limit else { return }
    let suspended = bootNow - now - patience.suspendedBefore
    patience.suspendedBefore += suspended
    // While this machine slept the server may have been left to another one.
    if settings.abandons, suspended >= limit { return abandon() }
    guard patience.end <= bootNow, outagePolicy != .abandon else { return }
    let isOutage = !connections.contains(where: \.isInUse)
    let oldest = oldestArrival
    let bound = bootNow - limit
    if settings.abandons, oldest <= bound || isOutage && patience.lastSign <= bound {
      return abandon()
    }
    if oldest <= bound {
      let wasHolding = outagePolicy == .hold
      let count = giveUp(arrivedUpTo: bound)
      if count > 0 || wasHolding && outagePolicy != .hold { report(.gaveUp(requests: count)) }
    }
    // What is refused needs no patience, and what is left then is answers that the kernel does not read.
    let nextArrival = isRefusing ? .max : oldestArrival
    let next = min(nextArrival, settings.abandons && isOutage ? patience.lastSign : .max)
    patience.end = next == .max ? .max : next + limit
  }

  /// When what has waited longest began to; `Int64.max` if nothing waits.
  private var oldestArrival: Int64 {
    var oldest = oldestHold ?? .max
    for slot in slots.indices where slots[slot].isWaiting {
      oldest = min(oldest, slots[slot].arrivedAt)
    }
    return oldest
  }

  /// Since when a request has waited for room that giving up could make.
  ///
  /// Where the kernel does not read its answers, these may be what takes the room. It is given back as soon
  /// as they are read, and by nothing else.
  private var oldestHold: Int64? {
    sockets.contains(where: \.isBlocked) ? nil : sockets.lazy.compactMap(\.heldSince).min()
  }

  /// A user does not want to wait any longer, and is told what came of it, be it nothing.
  mutating func giveUp() {
    report(.gaveUp(requests: giveUp(arrivedUpTo: bootNow - Self.leastWait)))
  }

  /// Answers with errors what has waited since then; without a connection, everything until there is one.
  ///
  /// Returns how many requests were answered. What has waited for room so long shows that the connections
  /// are of no use.
  private mutating func giveUp(arrivedUpTo bound: Int64) -> Int {
    let before = counters.requestsRefused.load(ordering: .relaxed)
    let isStuck = oldestHold.map { $0 <= bound } ?? false
    if connections.contains(where: \.isInUse), !isStuck {
      for connection in connections.indices where isOverdue(connection, bound) {
        lose(connection, .overdue)
      }
      refuseWaiting { $0.arrivedAt <= bound }
    } else {
      if isStuck { loseAll(.overdue) }
      stopHolding()
      refuseAll()
    }
    return counters.requestsRefused.load(ordering: .relaxed) - before
  }

  /// From now on, what waits for a connection is answered with an error, until there is one.
  mutating func stopHolding() {
    if outagePolicy == .hold { outagePolicy = .refuse }
    hasNewRoom = true
  }

  private func isOverdue(_ connection: ConnectionID, _ bound: Int64) -> Bool {
    hasOverdue(in: connections[connection].sent, bound)
      || hasOverdue(in: connections[connection].leaving, bound)
      || hasOverdue(in: connections[connection].held, bound)
  }

  private func hasOverdue(in list: SlotList, _ bound: Int64) -> Bool {
    slots.contains(in: list) { slots[$0].isFromKernel && slots[$0].arrivedAt <= bound }
  }

  /// Gives the export up for good: what is kept and what waits is dropped, and no connection is used again.
  ///
  /// From here on another machine may change it, and nothing of ours may come after that.
  mutating func abandon() {
    guard outagePolicy != .abandon else { return }
    // Reported first, so that nobody connects anew.
    let count = slots.indices.count { slots[$0].isWaiting }
    report(.abandoned(unflushedBytes: ledger.byteCount, requests: count))
    (outagePolicy, hasNewRoom) = (.abandon, true)
    loseAll(.abandoned)
    refuseAll()
    forget(upTo: ledger.next)
    patience.end = .max
  }
}
