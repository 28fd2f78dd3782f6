// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Testing
internal import Varlink

@testable import nbdctl

struct MeasurementTests {
  /// 100 requests in half a second, of 1 to 100 microseconds.
  private static let measurement = {
    var latencies = Histogram()
    for microseconds in UInt64(1)...100 { latencies.insert(microseconds * 1000) }
    return Measurement(
      load: Workload(blockBytes: 1 << 20, depth: 4), latencies: latencies, time: .milliseconds(500))
  }()

  @Test func `is a row under its head`() {
    let row = Self.measurement.row
    let cells = row.split(separator: " ").map(String.init)
    #expect(cells.prefix(6) == ["1", "MiB", "4", "200", "200.0", "1"])
    #expect(cells.last == "100\n")
    #expect(Measurement.head.split(separator: "\n").map(\.count) == [79, 79])
    #expect(row.count == 80)
  }

  @Test func `tells the same in JSON`() {
    let report = Self.measurement.report
    #expect(report["blockBytes"]?.integer == 1 << 20)
    #expect(report["requests"]?.integer == 100)
    #expect(report["elapsedMicroseconds"]?.integer == 500_000)
    #expect(report["requestsPerSecond"]?.integer == 200)
    #expect(report["bytesPerSecond"]?.integer == 200 << 20)
    let latency = report["latencyMicroseconds"]
    #expect(latency?["minimum"]?.integer == 1)
    #expect(50...51 ~= latency?["p50"]?.integer ?? 0)
    #expect(90...92 ~= latency?["p90"]?.integer ?? 0)
    #expect(latency?["p999"]?.integer == 100)
    #expect(latency?["maximum"]?.integer == 100)
  }

  @Test(arguments: [
    (Duration.zero, "[······························] reads, 8 s left"),
    (.milliseconds(4001), "[███████████████···············] reads, 4 s left"),
    (.seconds(8), "[██████████████████████████████] reads, 0 s left"),
    (.seconds(9), "[██████████████████████████████] reads, 0 s left"),
  ])
  func `is under way in a bar`(_ done: Duration, _ line: String) {
    #expect(Progress.line(done, of: .seconds(8), "reads") == line)
  }
}
