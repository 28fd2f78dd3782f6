// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Counts how often each value came: gives quantiles within 1/64 of the true value, in constant
/// memory.
///
/// Values below 128 have a bucket each; from there on each doubling is split into 64 buckets of the
/// same width.
struct Histogram: Sendable {
  private static let split: UInt64 = 64

  private var buckets = [UInt64](repeating: 0, count: Histogram.bucket(of: .max) + 1)
  private(set) var count: UInt64 = 0
  /// The smallest and the largest value, exactly; 0 if none came.
  private(set) var minimum: UInt64 = 0
  private(set) var maximum: UInt64 = 0

  mutating func insert(_ value: UInt64) {
    minimum = count == 0 ? value : min(minimum, value)
    maximum = max(maximum, value)
    count += 1
    buckets[Self.bucket(of: value)] += 1
  }

  /// Returns a value that this many in a thousand do not exceed: at least the smallest such value
  /// that came, and above it by less than 1/64.
  func quantile(perMille: UInt64) -> UInt64 {
    let rank = max(1, (count * perMille + 999) / 1000)
    var seen: UInt64 = 0
    for (bucket, count) in buckets.enumerated() {
      seen += count
      if seen >= rank { return min(maximum, Self.largest(in: bucket)) }
    }
    return maximum
  }

  private static func bucket(of value: UInt64) -> Int {
    let shift = max(0, value.bitWidth - value.leadingZeroBitCount - 7)
    return shift * Int(split) + Int(value >> UInt64(shift))
  }

  private static func largest(in bucket: Int) -> UInt64 {
    let bucket = UInt64(bucket)
    let shift = max(bucket / split, 1) - 1
    return (bucket - shift * split) << shift | ((1 << shift) - 1)
  }
}
