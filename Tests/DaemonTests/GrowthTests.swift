// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Testing

@testable import Daemon

/// A device that is to grow does so in the end, although the kernel refuses at first.
struct GrowthTests {
  @Test func `is tried again after a failure, later each time, and never twice at once`() {
    var growth = Growth()
    for pause in [1, 2, 4, 8] {
      #expect(growth.begin(from: 8, to: 16) == 16)
      #expect(growth.begin(from: 8, to: 32) == nil)
      #expect(growth.failed() == .seconds(pause))
    }
    for _ in 0..<20 {
      #expect(growth.begin(from: 8, to: 16) == 16)
      #expect(growth.failed() <= .seconds(300))
    }
    #expect(growth.begin(from: 8, to: 32) == 32)
    growth.succeeded()
    #expect(growth.begin(from: 32, to: 32) == nil)
    #expect(growth.begin(from: 32, to: 64) == 64)
    #expect(growth.failed() == .seconds(1))
  }
}
