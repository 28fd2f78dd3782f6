// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Synchronization
internal import Transport

/// How long a request may wait, and what becomes of it and of the device after that.
///
/// All times here are those of the clock that goes on in suspend, in microseconds.
extension Engine {
  /// A request that somebody has given up by hand has waited at least so long: what is on its way is not
  /// what they mean.
  private static let leastWait: Int64 = 1_000_000

  private var patience: Int64? { settings.giveUpAfter.map { $0.milliseconds * 1000 } }

  /// Takes other bounds.
  mutating func change(giveUpAfter: Duration?, abandons: Bool) {
    settings.giveUpAfter = giveUpAfter
    settings.abandons = abandons
    suspendedBefore = bootNow - now
    patienceEnd = patience == nil ? .max : 0
  }

  /// A request begins to wait.
  mutating func beginWaiting(_ index: Int) {
    slots[index].arrivedAt = bootNow
    if let patience { patienceEnd = min(patienceEnd, bootNow + patience) }
  }

  /// A request waits for room.
  mutating func beginHolding(_ socket: Int) {
    guard sockets[socket].heldSince == .max else { return }
    sockets[socket].heldSince = bootNow
    if let patience { patienceEnd = min(patienceEnd, bootNow + patience) }
  }

  /// The last connection in use has been lost; the server was last heard of at that time.
  mutating func beginOutage(lastSign: Int64) {
    self.lastSign = lastSign
    if let patience, settings.abandons { patienceEnd = min(patienceEnd, lastSign + patience) }
  }

  /// Gives up what has waited too long.
  mutating func checkPatience() {
    guard let patience else { return }
    let suspended = bootNow - now - suspendedBefore
    suspendedBefore += suspended
    // While this machine slept the server may have been left to another one.
    if settings.abandons, suspended >= patience { return abandon() }
    guard patienceEnd <= bootNow, !isAbandoned else { return }
    let isOutage = !lanes.contains(where: \.isInUse)
    let oldest = oldestArrival
    let bound = bootNow - patience
    if settings.abandons, oldest <= bound || isOutage && lastSign <= bound { return abandon() }
    if oldest <= bound { giveUp(arrivedUpTo: bound) }
    let next = min(oldestArrival, settings.abandons && isOutage ? lastSign : .max)
    patienceEnd = next == .max ? .max : next + patience
  }

  private var oldestArrival: Int64 {
    var oldest = sockets.lazy.map(\.heldSince).min() ?? .max
    for index in 0..<slots.count where slots[index].isWaiting {
      oldest = min(oldest, slots[index].arrivedAt)
    }
    return oldest
  }

  /// Somebody does not want to wait any longer.
  mutating func giveUp() { giveUp(arrivedUpTo: bootNow - Self.leastWait) }

  /// Without a connection, answers everything with errors until there is one; else what has waited since
  /// then.
  ///
  /// What has waited for room so long shows that the connections are of no use.
  private mutating func giveUp(arrivedUpTo bound: Int64) {
    let before = counters.requestsRefused.load(ordering: .relaxed)
    let isStuck = sockets.contains { $0.heldSince <= bound }
    if lanes.contains(where: \.isInUse), !isStuck {
      for lane in lanes.indices where isOverdue(lane, bound) { lose(lane, .overdue) }
      refuseWaiting { $0.arrivedAt <= bound }
    } else {
      for lane in lanes.indices where !lanes[lane].isInUse && isStuck { lose(lane, .overdue) }
      for lane in lanes.indices where isStuck { lose(lane, .overdue) }
      (isFailing, hasNewRoom) = (true, true)
      refuseAll()
    }
    let count = counters.requestsRefused.load(ordering: .relaxed) - before
    report(.gaveUp(requests: count))
  }

  private func isOverdue(_ lane: Int, _ bound: Int64) -> Bool {
    for list in [lanes[lane].sent, lanes[lane].leaving, lanes[lane].held] {
      var index = list.first
      while index != Slot.none {
        if slots[index].isFromKernel, slots[index].arrivedAt <= bound { return true }
        index = slots[index].next
      }
    }
    return false
  }

  /// Gives the export up for good: what is kept and what waits is dropped, and no connection is used again.
  ///
  /// From here on another machine may change it, and nothing of ours may come after that.
  mutating func abandon() {
    guard !isAbandoned else { return }
    // Told first, so that nobody connects anew.
    var count = 0
    for index in 0..<slots.count where slots[index].isWaiting { count += 1 }
    report(.abandoned(unflushedBytes: ledger.byteCount, requests: count))
    (isAbandoned, isFailing, hasNewRoom) = (true, true, true)
    for lane in lanes.indices where lanes[lane].stream != nil { lose(lane, .abandoned) }
    refuseAll()
    forget(upTo: ledger.next)
    patienceEnd = .max
  }
}
