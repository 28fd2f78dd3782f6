// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing
import TestSupport

/// The ranges of a read that have come.
struct CoverageTests {
  private func inserting(_ range: Range<Int>, _ coverage: inout Coverage) -> Bool {
    coverage.insert(UInt64(range.lowerBound)..<UInt64(range.upperBound))
  }

  // Rows: T-047, T-050
  @Test func `joins neighbours and refuses what came before`() {
    var coverage = Coverage()
    #expect(inserting(10..<20, &coverage))
    #expect(inserting(30..<40, &coverage))
    for overlapping in [10..<20, 5..<11, 19..<25, 12..<13, 25..<31, 39..<50, 0..<100, 20..<31] {
      #expect(!inserting(overlapping, &coverage))
    }
    #expect(coverage.missing(of: 50) == 30)
    #expect(inserting(20..<30, &coverage))
    #expect(inserting(0..<10, &coverage))
    #expect(inserting(40..<50, &coverage))
    #expect(coverage.missing(of: 50) == 0)
    #expect(!inserting(49..<51, &coverage))
    #expect(inserting(50..<51, &coverage))
  }

  // Rows: T-047, T-050
  @Test(arguments: 0..<4)
  func `agrees with a map of the bytes`(seed: UInt64) {
    var random = SplitMix(seed: seed)
    for _ in 0..<200 {
      var coverage = Coverage()
      var map = [Bool](repeating: false, count: 64)
      for _ in 0..<20 {
        let begin = Int.random(in: 0..<64, using: &random)
        let end = Int.random(in: (begin + 1)...64, using: &random)
        let isFree = !map[begin..<end].contains(true)
        #expect(inserting(begin..<end, &coverage) == isFree)
        if isFree { for place in begin..<end { map[place] = true } }
        #expect(coverage.missing(of: 64) == UInt64(map.filter { !$0 }.count))
      }
    }
  }
}
