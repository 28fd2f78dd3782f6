// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD

/// The progress of replaying the ledger after an outage.
struct Replay {
  /// The next entry to send, and the end.
  private(set) var next: UInt64 = 0
  private(set) var end: UInt64 = 0
  /// The slots of entries in flight.
  private(set) var slots: ContiguousArray<SlotID> = []
  private static let mostUnderWay = 16

  init() { slots.reserveCapacity(Self.mostUnderWay) }

  var hasRoom: Bool { slots.count < Self.mostUnderWay }

  /// Begins to send all current entries of the ledger.
  mutating func begin(_ ledger: Ledger) { (next, end) = (ledger.first, ledger.next) }

  /// Records that the next entry is sent in that slot.
  mutating func add(_ slot: SlotID) {
    slots.append(slot)
    next += 1
  }

  mutating func remove(_ slot: SlotID) { slots.removeAll { $0 == slot } }
}

/// Replays the ledger (rules `first` and `order`).
extension Engine {
  /// Replays the entries of the ledger in the order in which they were acknowledged.
  mutating func replay(over connection: ConnectionID) {
    while replay.next < replay.end {
      let entry = ledger[replay.next]
      // Rule `order`: an earlier entry that changes the same bytes must have its reply first.
      let isBlocked = replay.slots.contains {
        entry.overlaps(slots[$0].offset, slots[$0].length)
      }
      guard !isBlocked, replay.hasRoom, let slot = slots.take(leaving: 0) else { return }
      slots[slot].origin = .replay
      slots[slot].command = entry.command
      slots[slot].flags = entry.flags
      slots[slot].offset = entry.offset
      slots[slot].length = entry.length
      slots[slot].block = entry.place.map {
        writes.pages.block(of: Int(entry.length), at: $0)
      }
      slots[slot].silences = silences
      replay.add(slot)
      enqueue(slot, on: connection)
    }
    guard replay.next == replay.end, replay.slots.isEmpty else { return }
    // A server without flush can give no further guarantee: it has accepted all of it again.
    if !isFlushOffered(on: connection) { forget(upTo: replay.end) }
    raise(connection)
  }
}
