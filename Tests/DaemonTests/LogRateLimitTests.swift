// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing

@testable import Daemon

/// How much a device that comes and goes may write into the log.
nonisolated struct LinePaceTests {
  @Test func `lets some lines a minute through, and counts the rest`() {
    var pace = LogRateLimit()
    let start = ContinuousClock.now
    for _ in 0..<LogRateLimit.linesPerMinute {
      let words = pace.admit(at: start)
      #expect(words == "")
    }
    for second in 0..<5 {
      let words = pace.admit(at: start + .seconds(second))
      #expect(words == nil)
    }
    let later = pace.admit(at: start + .seconds(61))
    #expect(later == " (5 lines were left out before)")
    let next = pace.admit(at: start + .seconds(62))
    #expect(next == "")
  }
}
