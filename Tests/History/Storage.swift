// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import TestSupport

/// What the server stores: stable storage, and before it a cache that a crash takes away.
struct Storage {
  private struct Block {
    var cached = Content.zero
    var stable = Content.zero
    /// The next flush has something to do here.
    ///
    /// Not so after one that failed: what it could not store the server forgets, as Linux does, and a
    /// later flush passes over it.
    var isDirty = false
    /// When a write to the block was first answered of which nothing is stable yet.
    var answeredAt = Int.max
  }

  private var blocks: [Block]
  private let expectation: Expectation

  init(_ expectation: Expectation) {
    self.expectation = expectation
    blocks = Array(repeating: Block(), count: expectation.blockCount)
  }

  /// What a read finds.
  subscript(block: Int) -> UInt64 { blocks[block].cached }

  func stable(_ block: Int) -> UInt64 { blocks[block].stable }

  var isDirty: Bool { blocks.contains(where: \.isDirty) }

  mutating func put(_ word: UInt64, _ block: Int) {
    if !blocks[block].isDirty { blocks[block].answeredAt = .max }
    blocks[block].cached = word
    blocks[block].isDirty = true
  }

  /// A change of these blocks is answered now.
  mutating func answered(_ range: Range<Int>, at time: Int) {
    for block in range where blocks[block].isDirty {
      blocks[block].answeredAt = min(blocks[block].answeredAt, time)
    }
  }

  /// Makes stable what is cached.
  mutating func store(_ range: Range<Int>) throws(Violation) {
    for block in range where blocks[block].isDirty {
      blocks[block].stable = blocks[block].cached
      blocks[block].isDirty = false
      try expectation.stored(blocks[block].stable, block)
    }
  }

  /// Makes stable what was answered before a time, and of the rest whatever chance wants.
  mutating func flush(upTo time: Int, _ random: inout SplitMix) throws(Violation) {
    for block in blocks.indices
    where blocks[block].answeredAt < time || Bool.random(using: &random) {
      try store(block..<(block + 1))
    }
  }

  /// Stores some of it, and forgets that the rest is to be stored.
  mutating func failToFlush(_ random: inout SplitMix) throws(Violation) {
    for block in blocks.indices where blocks[block].isDirty {
      if Int.random(in: 0..<4, using: &random) == 0 {
        try store(block..<(block + 1))
      } else {
        blocks[block].isDirty = false
      }
    }
  }

  /// Writes some of it back unasked.
  mutating func writeBack(_ random: inout SplitMix) throws(Violation) {
    for block in blocks.indices where Int.random(in: 0..<3, using: &random) == 0 {
      try store(block..<(block + 1))
    }
  }

  /// Loses what is not stable.
  mutating func crash() {
    for block in blocks.indices {
      blocks[block].cached = blocks[block].stable
      blocks[block].isDirty = false
    }
  }
}
