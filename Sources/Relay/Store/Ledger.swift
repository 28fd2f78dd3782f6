// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD

/// The acknowledged writes that no completed flush covers (rules `keep` and `cover`).
///
/// If a server loses its cache, they are not lost: they are sent again.
struct Ledger {
  /// A write, write zeroes or trim that was acknowledged.
  struct Entry {
    var command: Command
    var flags: CommandFlags
    var offset: UInt64
    var length: UInt64
    /// Where the data of a write is.
    var block: Pages.Block?

    /// Whether it changes a byte of that range.
    func overlaps(_ offset: UInt64, _ length: UInt64) -> Bool {
      self.offset < offset + length && offset < self.offset + self.length
    }
  }

  let capacity: Int
  /// Grows to the largest number of simultaneous entries, in memory that costs nothing before.
  private var entries: ContiguousArray<Entry> = []
  /// The number of the entry at the first place.
  private var base: UInt64 = 0
  /// Numbers, in the order of acknowledgement, of the oldest entry and of the next one.
  private(set) var first: UInt64 = 0
  private(set) var next: UInt64 = 0
  /// The size of the data of all entries, in bytes.
  private(set) var byteCount = 0

  init(capacity: Int) {
    self.capacity = capacity
    entries.reserveCapacity(capacity)
  }

  var isEmpty: Bool { first == next }
  var count: Int { Int(next - first) }

  /// The entry with a number from `first` up to `next`.
  subscript(number: UInt64) -> Entry { entries[place(of: number)] }

  /// Whether any entry changes a byte of that range.
  func overlaps(_ offset: UInt64, _ length: UInt64) -> Bool {
    var number = first
    while number < next {
      if self[number].overlaps(offset, length) { return true }
      number += 1
    }
    return false
  }

  /// Adds an entry before its acknowledgement is sent (rule `keep`).
  mutating func append(_ entry: Entry) {
    precondition(count < capacity, "the ledger is full")
    if isEmpty { base = next }
    let place = place(of: next)
    if place == entries.count { entries.append(entry) } else { entries[place] = entry }
    next += 1
    if entry.block != nil { byteCount += Int(entry.length) }
  }

  /// Rule `cover`: drops what was acknowledged before `mark`, the value of `next` when the flush was sent.
  mutating func cover(upTo mark: UInt64, _ pages: inout Pages) {
    while first < mark {
      let entry = self[first]
      if let block = entry.block {
        pages.release(block)
        byteCount -= Int(entry.length)
      }
      first += 1
    }
  }

  private func place(of number: UInt64) -> Int { Int((number - base) % UInt64(capacity)) }
}
