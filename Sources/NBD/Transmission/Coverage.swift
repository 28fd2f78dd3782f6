// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Which bytes of a read have arrived (T-047, T-050).
///
/// It keeps ranges, not a count: a duplicate and a missing piece would add up to the same count.
package struct Coverage: Sendable, Equatable {
  /// In order, not empty, and separated by gaps.
  private(set) var ranges: [Range<UInt64>] = []

  package init() {}

  /// Adds a range that has arrived; returns false if a part of it had arrived before.
  package mutating func insert(_ range: Range<UInt64>) -> Bool {
    let index = firstIndex(endingAtOrAfter: range.lowerBound)
    let joinsBefore = index < ranges.count && ranges[index].upperBound == range.lowerBound
    let next = joinsBefore ? index + 1 : index
    if next < ranges.count, ranges[next].lowerBound < range.upperBound { return false }
    let joinsAfter = next < ranges.count && ranges[next].lowerBound == range.upperBound
    let begin = joinsBefore ? ranges[index].lowerBound : range.lowerBound
    let end = joinsAfter ? ranges[next].upperBound : range.upperBound
    let replaced = index..<(joinsAfter ? next + 1 : next)
    ranges.replaceSubrange(replaced, with: CollectionOfOne(begin..<end))
    return true
  }

  /// How many bytes of `count` have not arrived.
  package func missing(of count: UInt64) -> UInt64 {
    ranges.reduce(count) { $0 - UInt64($1.count) }
  }

  /// The first range that does not end before `position`.
  private func firstIndex(endingAtOrAfter position: UInt64) -> Int {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < position {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }
}
