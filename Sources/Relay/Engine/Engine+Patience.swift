// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Synchronization
internal import Transport

/// How long the relay tolerates a waiting request, or an outage; in microseconds of the clock that
/// includes suspend.
struct Patience {
  /// By how much that clock was ahead of the monotonic one at the last check for suspend.
  var suspendedBefore: Int64 = 0
  /// The server's last sign of life, as of the loss of the last connection.
  var lastSign: Int64 = 0
  /// The earliest time at which a request or the outage may exceed the limit; `Int64.max` if none can.
  var end = Int64.max
}

/// How long a request may wait, and what happens to it and to the device after that.
extension Engine {
  /// A request that a user gives up has waited at least this long: requests merely in flight are exempt.
  private static let leastWait: Int64 = 1_000_000

  /// `giveUpAfter` in microseconds.
  private var limit: Int64? { settings.giveUpAfter.map { $0.milliseconds * 1000 } }

  /// Called when the relay starts: the server's last sign of life, and the waiting requests, may be those of a
  /// predecessor.
  mutating func beginPatience() {
    if record.lastSign == 0 { record.lastSign = bootNow }
    patience.suspendedBefore = bootNow - now
    patience.lastSign = record.lastSign
    patience.end = limit == nil ? .max : 0
  }

  /// Changes the limits.
  mutating func change(giveUpAfter: Duration?, abandons: Bool) {
    settings.giveUpAfter = giveUpAfter
    settings.abandons = abandons
    patience.suspendedBefore = bootNow - now
    patience.end = limit == nil ? .max : 0
  }

  /// Called when a request begins to wait.
  mutating func beginWaiting(_ slot: SlotID) {
    slots[slot].arrivedAt = bootNow
    checkPatience(since: bootNow)
  }

  /// Called when a request waits for room.
  mutating func beginHolding(on socket: SocketID) {
    let since = sockets[socket].heldSince ?? bootNow
    sockets[socket].heldSince = since
    checkPatience(since: since)
  }

  /// Called when the last connection in use is lost; `lastSign` is the server's last sign of life.
  mutating func beginOutage(lastSign: Int64) {
    patience.lastSign = lastSign
    if settings.abandons { checkPatience(since: lastSign) }
  }

  /// Schedules a check for when what began at `start` reaches the limit.
  private mutating func checkPatience(since start: Int64) {
    if let limit { patience.end = min(patience.end, start + limit) }
  }

  /// Gives up requests that have waited too long.
  mutating func checkPatience() {
    guard let limit else { return }
    let suspended = bootNow - now - patience.suspendedBefore
    patience.suspendedBefore += suspended
    // While this machine was suspended, another one may have taken over the export.
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
    // Refused requests do not wait, and all that remains then is replies that the kernel does not read.
    let nextArrival = isRefusing ? .max : oldestArrival
    let next = min(nextArrival, settings.abandons && isOutage ? patience.lastSign : .max)
    patience.end = next == .max ? .max : next + limit
  }

  /// When the longest wait began; `Int64.max` if nothing waits.
  private var oldestArrival: Int64 {
    var oldest = oldestHold ?? .max
    for slot in slots.indices where slots[slot].isWaiting {
      oldest = min(oldest, slots[slot].arrivedAt)
    }
    return oldest
  }

  /// Since when a request has waited for room that giving up could make.
  ///
  /// If the kernel does not read its replies, these may occupy the room. It is released only when they are
  /// read.
  private var oldestHold: Int64? {
    sockets.contains(where: \.isBlocked) ? nil : sockets.lazy.compactMap(\.heldSince).min()
  }

  /// Called when a user gives up waiting; always reports the result, even if it is zero requests.
  mutating func giveUp() {
    report(.gaveUp(requests: giveUp(arrivedUpTo: bootNow - Self.leastWait)))
  }

  /// Fails with errors what has waited since `bound`; without a connection, everything until there is one.
  ///
  /// Returns the number of failed requests. A request that has waited for room that long shows that the
  /// connections are useless.
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

  /// From now on, fails with an error what waits for a connection, until there is one.
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

  /// Abandons the export: drops kept writes and waiting requests, and uses no connection again.
  ///
  /// From here on another machine may change the export, and nothing of ours may be written after that.
  mutating func abandon() {
    guard outagePolicy != .abandon else { return }
    // Reported first, so that no new connection is made.
    let count = slots.indices.count { slots[$0].isWaiting }
    report(.abandoned(unflushedBytes: ledger.byteCount, requests: count))
    (outagePolicy, hasNewRoom) = (.abandon, true)
    loseAll(.abandoned)
    refuseAll()
    forget(upTo: ledger.next)
    patience.end = .max
  }
}
