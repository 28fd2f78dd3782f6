// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing

@testable import Daemon

/// The account of outages.
nonisolated struct OutagesTests {
  @Test func `counts outages, their total and the longest`() {
    var outages = Outages()
    let start = ContinuousClock.now
    let none = outages.end(at: start)
    let first = outages.begin(at: start)
    let again = outages.begin(at: start + .seconds(1))
    let length = outages.end(at: start + .seconds(5))
    #expect(none == nil && first && !again && length == .seconds(5))
    _ = outages.begin(at: start + .seconds(10))
    _ = outages.end(at: start + .seconds(12))
    #expect(outages.count == 2)
    #expect(outages.total == .seconds(7))
    #expect(outages.longest == .seconds(5))
    #expect(outages.since == nil)
  }
}
