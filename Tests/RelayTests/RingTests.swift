// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Testing
internal import TestSupport

@testable import Relay

/// The bookkeeping of the stores.
struct RingTests {
  @Test func `never gives the same byte to two`() {
    var random = SplitMix(seed: 7)
    var ring = Ring(byteCount: 1000, blockCount: 40)
    var taken: [(Ring.Block, Int)] = []
    for _ in 0..<20_000 {
      if Bool.random(using: &random), !taken.isEmpty {
        let index = Int.random(in: 0..<taken.count, using: &random)
        ring.release(taken.remove(at: index).0)
        continue
      }
      let count = Int.random(in: 1...300, using: &random)
      guard let block = ring.reserve(count) else { continue }
      let range = block.place..<(block.place + count)
      #expect(range.upperBound <= 1000)
      #expect(
        !taken.contains { $0.0.place < range.upperBound && range.lowerBound < $0.0.place + $0.1 })
      taken.append((block, count))
    }
    for (block, _) in taken { ring.release(block) }
    #expect(ring.isEmpty)
    #expect(ring.reserve(1000)?.place == 0)
  }
}
