// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing
import TestSupport

@testable import Relay

/// The bookkeeping of the stores.
struct PagesTests {
  private static let byteCount = 200 * 4096

  @Test func `never give the same byte to two`() {
    var random = SplitMix(seed: 7)
    var pages = Pages(byteCount: Self.byteCount)
    var taken: [(Pages.Block, Int)] = []
    var refusals = 0
    for _ in 0..<20_000 {
      if Bool.random(using: &random), !taken.isEmpty {
        let index = Int.random(in: 0..<taken.count, using: &random)
        pages.release(taken.remove(at: index).0)
        continue
      }
      let count = Int.random(in: 1...300_000, using: &random)
      guard let block = pages.reserve(count) else {
        refusals += 1
        continue
      }
      let range = block.place..<(block.place + count)
      #expect(range.upperBound <= Self.byteCount)
      #expect(
        !taken.contains { $0.0.place < range.upperBound && range.lowerBound < $0.0.place + $0.1 })
      taken.append((block, count))
    }
    #expect(refusals > 0)
    for (block, _) in taken { pages.release(block) }
    let whole = pages.reserve(Self.byteCount)
    #expect(whole?.place == 0)
    #expect(pages.reserve(1) == nil)
  }

  @Test func `tell which of them have memory that was not needed for a while`() throws {
    var pages = Pages(byteCount: 8 << 20)
    let (small, large) = (pages.reserve(4096), pages.reserve(6 << 20))
    #expect(pages.hasMuch)
    pages.release(try #require(large))
    // It was in use just now.
    #expect(pages.takeIdle().isEmpty)
    #expect(pages.takeIdle() == 1 << 20..<4096 + 6 << 20)
    #expect(!pages.hasMuch)
    #expect(pages.takeIdle().isEmpty)
    // What is in use stays, however long ago it was taken.
    let blocks = [pages.reserve(4 << 20), pages.reserve(2 << 20)]
    pages.release(try #require(blocks[0]))
    for _ in 0..<3 { #expect(pages.takeIdle().isEmpty) }
    pages.release(try #require(small))
    pages.release(try #require(blocks[1]))
    #expect(pages.takeIdle().isEmpty)
    #expect(!pages.takeIdle().isEmpty)
  }

  @Test func `give what came back first, where it is large enough`() throws {
    var pages = Pages(byteCount: Self.byteCount)
    var blocks: [Pages.Block] = []
    while let block = pages.reserve(8192) { blocks.append(block) }
    try #require(blocks.count == 100)
    pages.release(blocks[70])
    pages.release(blocks[20])
    pages.release(blocks[21])
    pages.release(blocks[50])
    let large = pages.reserve(10_000)
    let small = pages.reserve(8192)
    let none = pages.reserve(8193)
    #expect(large?.place == blocks[20].place)
    #expect(small?.place == blocks[50].place)
    #expect(none == nil)
  }
}
