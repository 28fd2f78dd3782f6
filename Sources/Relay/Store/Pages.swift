// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Which pages of a region are in use, and which have memory needlessly.
///
/// A block gets the first contiguous free pages. So memory that was used a moment ago, and is still in
/// the processor's caches, is reused first, and a region has no more memory than was needed at a time.
struct Pages {
  /// A contiguous run of pages.
  struct Block: Equatable {
    /// Where it begins, in bytes.
    var place: Int
    fileprivate var pages: Range<Int>
  }

  private static let pageByteCount = 4096
  private static let wordBitCount = UInt64.bitWidth

  private let count: Int
  /// A bit for each page, set if it is in use.
  private var words: ContiguousArray<UInt64>
  /// No page before this one is free.
  private var start = 0
  /// All pages that may have memory are before the first of these, all recently used ones before the second.
  private var touched = 0
  private var recent = 0

  init(byteCount: Int) {
    count = byteCount / Self.pageByteCount
    words = ContiguousArray(
      repeating: 0, count: (count + Self.wordBitCount - 1) / Self.wordBitCount)
  }

  /// Reserves pages for that many bytes; nil if there is no such contiguous run now.
  mutating func reserve(_ byteCount: Int) -> Block? {
    let length = max(1, (byteCount + Self.pageByteCount - 1) / Self.pageByteCount)
    start = first(isTaken: false, in: start..<count) ?? count
    var place = start
    while place <= count - length {
      guard let taken = first(isTaken: true, in: place..<(place + length)) else {
        let pages = place..<(place + length)
        recent = max(recent, pages.upperBound)
        touched = max(touched, recent)
        set(pages, isTaken: true)
        return Block(place: place * Self.pageByteCount, pages: pages)
      }
      place = first(isTaken: false, in: taken..<count) ?? count
    }
    return nil
  }

  /// Reserves the pages for that many bytes at a place; nil if they are not all free pages of the region.
  mutating func reserve(_ byteCount: Int, at place: Int) -> Block? {
    let length = max(1, (byteCount + Self.pageByteCount - 1) / Self.pageByteCount)
    guard place >= 0, place % Self.pageByteCount == 0, length <= count,
      place / Self.pageByteCount <= count - length
    else { return nil }
    let pages = place / Self.pageByteCount..<place / Self.pageByteCount + length
    guard first(isTaken: true, in: pages) == nil else { return nil }
    recent = max(recent, pages.upperBound)
    touched = max(touched, recent)
    set(pages, isTaken: true)
    return Block(place: place, pages: pages)
  }

  /// The block of that many bytes that was reserved at a place.
  func block(of byteCount: Int, at place: Int) -> Block {
    let length = max(1, (byteCount + Self.pageByteCount - 1) / Self.pageByteCount)
    let start = place / Self.pageByteCount
    return Block(place: place, pages: start..<start + length)
  }

  mutating func release(_ block: Block) {
    set(block.pages, isTaken: false)
    start = min(start, block.pages.lowerBound)
  }

  /// Whether more pages have memory than are worth keeping.
  var hasMuch: Bool { touched > Self.keptCount }

  /// The bytes whose memory was not needed since the last call.
  mutating func takeIdle() -> Range<Int> {
    let end = touched
    touched = min(end, max(recent, Self.keptCount))
    recent = 0
    for word in words.indices.reversed() where words[word] != 0 {
      recent = (word + 1) * Self.wordBitCount - words[word].leadingZeroBitCount
      break
    }
    return touched * Self.pageByteCount..<end * Self.pageByteCount
  }

  /// How many pages of memory are kept: 1 MiB.
  private static let keptCount = 256

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
