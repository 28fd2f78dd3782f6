// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD

/// What the kernel was told is done, and no completed flush covers (rules `keep` and `cover`).
///
/// A server that loses its cache loses nothing of it: it is sent again.
struct Ledger {
  /// A write, write zeroes or trim that was acknowledged.
  struct Entry {
    var command: Command
    var flags: CommandFlags
    var offset: UInt64
    var length: UInt64
    /// Where the data of a write is.
    var block: Ring.Block?

    /// Whether both change a byte in common.
    func overlaps(_ offset: UInt64, _ length: UInt64) -> Bool {
      self.offset < offset + length && offset < self.offset + self.length
    }
  }

  private var entries: ContiguousArray<Entry?>
  /// Numbers, in the order of acknowledgement, of the oldest entry and of the next one.
  private(set) var first: UInt64 = 0
  private(set) var next: UInt64 = 0
  /// The bytes of data of all entries.
  private(set) var byteCount = 0

  init(capacity: Int) {
    entries = ContiguousArray(repeating: nil, count: capacity)
  }

  var isEmpty: Bool { first == next }
  var count: Int { Int(next - first) }
  var capacity: Int { entries.count }

  /// The entry of a number from `first` up to `next`.
  subscript(number: UInt64) -> Entry? { entries[Int(number % UInt64(entries.count))] }

  /// Rule `keep`: called before the acknowledgement leaves.
  mutating func append(_ entry: Entry) {
    precondition(count < entries.count, "the ledger is full")
    entries[Int(next % UInt64(entries.count))] = entry
    next += 1
    if entry.block != nil { byteCount += Int(entry.length) }
  }

  /// Rule `cover`: forgets what was acknowledged before `mark`, the `next` of when the flush was sent.
  mutating func cover(upTo mark: UInt64, _ ring: inout Ring) {
    while first < mark {
      let index = Int(first % UInt64(entries.count))
      if let entry = entries[index], let block = entry.block {
        ring.release(block)
        byteCount -= Int(entry.length)
      }
      entries[index] = nil
      first += 1
    }
  }
}
