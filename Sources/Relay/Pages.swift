// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Which pages of a region are taken.
///
/// A block gets the first pages that are free together. So what was used a moment ago, and is still in
/// the processor's caches, is used next, and a region has no more memory than was needed at a time.
struct Pages {
  /// Pages that are taken together.
  struct Block: Equatable {
    /// Where it begins, in bytes.
    var place: Int
    fileprivate var pages: Range<Int>
  }

  private static let pageByteCount = 4096
  private static let wordBitCount = UInt64.bitWidth

  private let count: Int
  /// A bit for each page, set if it is taken.
  private var words: ContiguousArray<UInt64>
  /// No page before this one is free.
  private var start = 0

  init(byteCount: Int) {
    count = byteCount / Self.pageByteCount
    words = ContiguousArray(
      repeating: 0, count: (count + Self.wordBitCount - 1) / Self.wordBitCount)
  }

  /// Takes what so many bytes need; nil if there is not that much together now.
  mutating func reserve(_ byteCount: Int) -> Block? {
    let length = max(1, (byteCount + Self.pageByteCount - 1) / Self.pageByteCount)
    start = first(isTaken: false, in: start..<count) ?? count
    var place = start
    while place <= count - length {
      guard let taken = first(isTaken: true, in: place..<(place + length)) else {
        let pages = place..<(place + length)
        set(pages, isTaken: true)
        return Block(place: place * Self.pageByteCount, pages: pages)
      }
      place = first(isTaken: false, in: taken..<count) ?? count
    }
    return nil
  }

  mutating func release(_ block: Block) {
    set(block.pages, isTaken: false)
    start = min(start, block.pages.lowerBound)
  }

  private func first(isTaken: Bool, in pages: Range<Int>) -> Int? {
    var page = pages.lowerBound
    while page < pages.upperBound {
      let word = words[page / Self.wordBitCount]
      let wanted = (isTaken ? word : ~word) >> UInt64(page % Self.wordBitCount)
      if wanted != 0 {
        page += wanted.trailingZeroBitCount
        return page < pages.upperBound ? page : nil
      }
      page += Self.wordBitCount - page % Self.wordBitCount
    }
    return nil
  }

  private mutating func set(_ pages: Range<Int>, isTaken: Bool) {
    var page = pages.lowerBound
    while page < pages.upperBound {
      let bit = page % Self.wordBitCount
      let length = min(Self.wordBitCount - bit, pages.upperBound - page)
      let mask = (UInt64.max >> UInt64(Self.wordBitCount - length)) << UInt64(bit)
      if isTaken {
        words[page / Self.wordBitCount] |= mask
      } else {
        words[page / Self.wordBitCount] &= ~mask
      }
      page += length
    }
  }
}
