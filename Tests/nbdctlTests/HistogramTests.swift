// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Testing
internal import TestSupport

@testable import nbdctl

/// Quantiles beside those of the values themselves, in order.
struct HistogramTests {
  /// What a number of 64 random bits becomes.
  enum Shape: CaseIterable {
    case narrow, even, wide, repeated, everything

    func value(_ bits: UInt64) -> UInt64 {
      switch self {
      case .narrow: bits % 100
      case .even: 80_000 + bits % 40_000
      case .wide: (bits >> 8) >> (bits % 56)
      case .repeated: bits % 10 == 0 ? 3_000_000_000 : 71_333
      case .everything: bits
      }
    }
  }

  @Test(arguments: Shape.allCases, [1, 2, 7, 100, 999, 1000, 1001, 20_000])
  func `is never below the exact quantile, nor above it by a sixty-fourth`(
    _ shape: Shape, _ count: Int
  ) {
    var random = SplitMix(seed: UInt64(count))
    var histogram = Histogram()
    var values: [UInt64] = []
    for _ in 0..<count {
      values.append(shape.value(random.next()))
      histogram.insert(values[values.count - 1])
    }
    values.sort()
    #expect(histogram.count == UInt64(count))
    #expect(histogram.minimum == values.first)
    #expect(histogram.maximum == values.last)
    for perMille in [1, 500, 900, 990, 999, 1000] {
      // The nearest rank: the first value that so many do not exceed.
      let exact = values[(count * perMille + 999) / 1000 - 1]
      let told = histogram.quantile(perMille: UInt64(perMille))
      #expect(told >= exact)
      #expect(told - exact <= exact / 64)
    }
  }

  @Test func `is exact for small values`() {
    var histogram = Histogram()
    for value in 0..<UInt64(128) { histogram.insert(value) }
    for perMille in UInt64(1)...1000 {
      #expect(histogram.quantile(perMille: perMille) == (128 * perMille + 999) / 1000 - 1)
    }
  }

  @Test func `takes the largest number there is`() {
    var histogram = Histogram()
    histogram.insert(.max)
    #expect(histogram.quantile(perMille: 500) == .max)
  }

  @Test func `knows nothing where nothing came`() {
    let histogram = Histogram()
    #expect(histogram.count == 0)
    #expect(histogram.minimum == 0)
    #expect(histogram.quantile(perMille: 999) == 0)
  }
}
