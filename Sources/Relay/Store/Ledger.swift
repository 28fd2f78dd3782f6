// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD

/// The acknowledged writes that no completed flush covers (rules `keep` and `cover`); all of it is in the Record.
///
/// If a server loses its cache, they are not lost: they are sent again.
struct Ledger {
  /// A write, write zeroes or trim that was acknowledged.
  struct Entry {
    var command: Command
    var flags: CommandFlags
    var offset: UInt64
    var length: UInt64
    /// Where the data of a write is, in the store of writes.
    var place: Int?

    /// Whether it changes a byte of that range.
    func overlaps(_ offset: UInt64, _ length: UInt64) -> Bool {
      self.offset < offset + length && offset < self.offset + self.length
    }
  }

  private let record: Record
  let capacity = RecordLayout.ledgerCapacity
  /// The size of the data of all entries, in bytes.
  private(set) var byteCount = 0

  init(_ record: Record) { self.record = record }

  /// Counts the bytes of the entries that the Record has.
  mutating func countBytes() {
    byteCount = 0
    var number = first
    while number < next {
      let entry = self[number]
      if entry.place != nil { byteCount += Int(entry.length) }
      number += 1
    }
  }

  /// Numbers, in the order of acknowledgement, of the oldest entry and of the next one.
  var first: UInt64 { record.ledgerFirst }
  var next: UInt64 { record.ledgerNext }
  var isEmpty: Bool { first == next }
  var count: Int { Int(next - first) }

  /// The entry with a number from `first` up to `next`.
  subscript(number: UInt64) -> Entry { record.entry(at: index(of: number)) }

  /// Whether there is memory for that many entries besides the present ones.
  func hasRoom(for more: Int) -> Bool {
    // The places of entries begin at the first one again whenever the ledger is empty.
    let used = isEmpty ? 0 : Int(next - record.ledgerBase)
    return count + more <= capacity && record.makeLedgerRoom(for: min(capacity, used + more))
  }

  /// Whether any entry changes a byte of that range.
  func overlaps(_ offset: UInt64, _ length: UInt64) -> Bool {
    let next = next
    var number = first
    while number < next {
      if self[number].overlaps(offset, length) { return true }
      number += 1
    }
    return false
  }

  /// Adds an entry before its acknowledgement is sent (rule `keep`); `request` is the number of its request.
  mutating func append(_ entry: Entry, of request: UInt64) {
    precondition(count < capacity, "the ledger is full")
    if isEmpty { record.ledgerBase = next }
    record.write(entry, of: request, at: index(of: next))
    record.ledgerNext = next + 1
    if entry.place != nil { byteCount += Int(entry.length) }
  }

  /// Rule `cover`: drops what was acknowledged before `mark`, the value of `next` when the flush was sent.
  mutating func cover(upTo mark: UInt64, _ pages: inout Pages) {
    var number = first
    guard number < mark else { return }
    // Pages are released only when no successor can count on them any more.
    record.ledgerFirst = mark
    while number < mark {
      let entry = self[number]
      if let place = entry.place {
        pages.release(pages.block(of: Int(entry.length), at: place))
        byteCount -= Int(entry.length)
      }
      number += 1
    }
  }

  /// The place of an entry in the Record.
  func index(of number: UInt64) -> Int {
    Int((number &- record.ledgerBase) % UInt64(capacity))
  }
}
