// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A chain of slots, first in, first out.
struct SlotList {
  fileprivate(set) var first: SlotID?
  fileprivate(set) var last: SlotID?
  fileprivate(set) var count = 0

  var isEmpty: Bool { count == 0 }
}

/// All slots; each is in at most one list.
struct Slots {
  private var slots: Table<SlotID, Slot>
  private var free = SlotList()

  init(count: Int) {
    precondition(count <= SlotID.maximumCount, "a cookie has no room for so many slots")
    slots = Table(repeatElement(Slot(), count: count))
    for slot in slots.indices { release(slot) }
  }

  var indices: Range<SlotID> { slots.indices }
  /// How many are in use.
  var takenCount: Int { slots.count - free.count }

  subscript(slot: SlotID) -> Slot {
    _read { yield slots[slot] }
    _modify { yield &slots[slot] }
  }

  /// Takes a free slot, which is then in no list; nil if fewer than `spare` would remain.
  mutating func take(leaving spare: Int) -> SlotID? {
    guard free.count > spare else { return nil }
    // A copy, because a list in here cannot be changed by what changes the rest.
    var list = free
    let slot = removeFirst(of: &list)
    free = list
    if let slot { slots[slot] = Slot() }
    return slot
  }

  /// Takes that slot, which is free.
  mutating func take(_ slot: SlotID) {
    var list = free
    remove(slot, from: &list)
    free = list
    slots[slot] = Slot()
  }

  /// Makes a slot that is in no list available.
  mutating func release(_ slot: SlotID) {
    slots[slot].state = .free
    slots[slot].scattered = nil
    var list = free
    append(slot, to: &list)
    free = list
  }

  // MARK: lists

  mutating func append(_ slot: SlotID, to list: inout SlotList) {
    slots[slot].previous = list.last
    slots[slot].next = nil
    if let last = list.last { slots[last].next = slot } else { list.first = slot }
    list.last = slot
    list.count += 1
  }

  mutating func remove(_ slot: SlotID, from list: inout SlotList) {
    let (previous, next) = (slots[slot].previous, slots[slot].next)
    if let previous { slots[previous].next = next } else { list.first = next }
    if let next { slots[next].previous = previous } else { list.last = previous }
    list.count -= 1
  }

  /// Removes and returns the first slot; nil if the list is empty.
  mutating func removeFirst(of list: inout SlotList) -> SlotID? {
    guard let slot = list.first else { return nil }
    remove(slot, from: &list)
    return slot
  }

  /// Moves all of a list to the front of another, in their order.
  mutating func prepend(_ list: inout SlotList, to other: inout SlotList) {
    guard let last = list.last else { return }
    slots[last].next = other.first
    if let first = other.first { slots[first].previous = last } else { other.last = last }
    other.first = list.first
    other.count += list.count
    list = SlotList()
  }

  /// Whether a list contains such a slot.
  func contains(in list: SlotList, where isWanted: (SlotID) -> Bool) -> Bool {
    var next = list.first
    while let slot = next {
      if isWanted(slot) { return true }
      next = slots[slot].next
    }
    return false
  }
}
