// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Which parts of a region are taken: reserved one behind the other, around the end and on.
///
/// They may be given back in any order, but room comes back in the order in which it was taken.
struct Ring {
  /// A part that is taken.
  struct Block: Equatable {
    /// Where it begins.
    var place: Int
    fileprivate var number: Int
  }

  private struct Entry {
    var place = 0
    var isFree = false
  }

  let byteCount: Int
  private let blockCount: Int
  /// Grows to as many as there have been at a time, in memory that costs nothing before.
  private var entries: ContiguousArray<Entry> = []
  /// The numbers of the oldest block and of the next one.
  private var first = 0
  private var next = 0
  private var head = 0

  /// A ring for at most `blockCount` blocks at a time.
  init(byteCount: Int, blockCount: Int) {
    self.byteCount = byteCount
    self.blockCount = blockCount
    entries.reserveCapacity(blockCount)
  }

  var isEmpty: Bool { first == next }

  /// Takes a part; nil if there is none of that size now.
  mutating func reserve(_ count: Int) -> Block? {
    guard next - first < blockCount, let place = room(for: count) else { return nil }
    defer { next += 1 }
    let index = next % blockCount
    if index == entries.count {
      entries.append(Entry(place: place))
    } else {
      entries[index] = Entry(place: place)
    }
    head = place + count
    return Block(place: place, number: next)
  }

  mutating func release(_ block: Block) {
    entries[block.number % blockCount].isFree = true
    while first < next, entries[first % blockCount].isFree { first += 1 }
    if isEmpty { (first, next) = (0, 0) }
  }

  private func room(for count: Int) -> Int? {
    guard !isEmpty else { return count <= byteCount ? 0 : nil }
    let tail = entries[first % blockCount].place
    // Free is what lies behind the head up to the end, and from the start up to the tail; or
    // between the head and the tail, once the head has gone around.
    if head <= tail { return count <= tail - head ? head : nil }
    if count <= byteCount - head { return head }
    return count <= tail ? 0 : nil
  }
}
