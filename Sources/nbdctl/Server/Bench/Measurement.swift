// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Varlink

/// The result of a load: a row of the table, and an object of the JSON document.
struct Measurement: Sendable {
  var load: Workload
  /// In nanoseconds.
  var latencies: Histogram
  var time: Duration

  private static let columns = [
    ("BLOCK", 8), ("DEPTH", 5), ("IOPS", 7), ("MiB/s", 8), ("MIN", 7), ("50%", 7), ("90%", 7),
    ("99%", 7), ("99.9%", 7), ("MAX", 7),
  ]

  /// Two lines, of 79 columns as the rows are.
  static var head: String {
    "\(leading("LATENCY IN MICROSECONDS", 79))\n" + row(columns.map(\.0))
  }

  var row: String {
    Self.row(
      [
        HumanReadable.size(Int64(load.blockBytes)), "\(load.depth)", "\(requestsPerSecond)",
        Self.tenths(bytesPerSecond, of: 1 << 20),
      ] + latencyMicroseconds.map { "\($0.1)" })
  }

  var report: JSON {
    [
      "blockBytes": JSON(load.blockBytes),
      "depth": JSON(load.depth),
      "requests": JSON(latencies.count),
      "elapsedMicroseconds": JSON(time.nanoseconds / 1000),
      "requestsPerSecond": JSON(requestsPerSecond),
      "bytesPerSecond": JSON(bytesPerSecond),
      "latencyMicroseconds": JSON(
        .object(latencyMicroseconds.map { JSON.Member(name: $0.0, value: JSON($0.1)) })),
    ]
  }

  private var requestsPerSecond: UInt64 { perSecond(1) }
  private var bytesPerSecond: UInt64 { perSecond(load.blockBytes) }

  private func perSecond(_ amount: UInt64) -> UInt64 {
    let seconds = time / .seconds(1)
    return seconds > 0 ? UInt64((Double(latencies.count * amount) / seconds).rounded()) : 0
  }

  private var latencyMicroseconds: [(String, UInt64)] {
    [
      ("minimum", latencies.minimum),
      ("p50", latencies.quantile(perMille: 500)),
      ("p90", latencies.quantile(perMille: 900)),
      ("p99", latencies.quantile(perMille: 990)),
      ("p999", latencies.quantile(perMille: 999)),
      ("maximum", latencies.maximum),
    ].map { ($0, ($1 + 500) / 1000) }
  }

  private static func tenths(_ value: UInt64, of unit: UInt64) -> String {
    let tenths = Int((Double(value) / Double(unit) * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }

  private static func row(_ cells: [String]) -> String {
    zip(columns, cells).map { leading($1, $0.1) }.joined(separator: " ") + "\n"
  }

  private static func leading(_ cell: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - cell.count)) + cell
  }
}

extension Duration {
  /// Whole nanoseconds; 0 if negative.
  var nanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    return UInt64(clamping: seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
  }
}
