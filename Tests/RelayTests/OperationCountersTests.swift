// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

@testable import Relay

/// Counters of what the kernel has asked for.
struct OperationCountersTests {
  @Test func `a latency is in the first range whose limit it does not exceed`() {
    let limits = OperationCounters.latencyLimits
    #expect(limits.first == 64 && limits.last == 67_108_864)
    for (index, limit) in limits.enumerated() {
      #expect(OperationCounters.range(of: limit) == index)
      #expect(OperationCounters.range(of: limit + 1) == index + 1)
    }
    #expect(OperationCounters.range(of: 0) == 0)
    #expect(OperationCounters.range(of: .max) == limits.count)
  }

  @Test func `each command by itself`() {
    let counters = OperationCounters()
    for (index, command) in OperationCounters.commands.enumerated() {
      counters.count(command, bytes: index * 10, latency: Int64(index) * 1000)
    }
    counters.count(.write, bytes: 5, latency: -3)
    counters.count(.cache, bytes: 1 << 40, latency: 1)
    for (index, command) in OperationCounters.commands.enumerated() {
      let totals = counters.totals(of: command)
      #expect(totals.bytes == index * 10 + (command == .write ? 5 : 0))
      #expect(totals.latency == index * 1000)
      #expect(totals.counts.reduce(0, +) == (command == .write ? 2 : 1))
    }
  }
}
