// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing
@testable import Relay

/// When the relay's thread polls before it sleeps.
struct SpinTests {
  /// Which of so many waits poll, if each time the same comes of it.
  private func polls(_ spin: inout Spin, _ count: Int, isSuccess: Bool) -> [Int] {
    (0..<count).filter { _ in
      guard spin.isDue() else { return false }
      spin.ended(withSuccess: isSuccess)
      return true
    }
  }

  @Test("as long as it pays, before each sleep")
  func always() {
    var spin = Spin(isAllowed: true, processorCount: 2)
    #expect(polls(&spin, 100, isSuccess: true) == Array(0..<100))
  }

  @Test("the less often the longer it has not paid, but never for good")
  func less() {
    var spin = Spin(isAllowed: true, processorCount: 2)
    #expect(polls(&spin, 40, isSuccess: false) == [0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 17, 26])
    #expect(polls(&spin, 100_000, isSuccess: false).count > 100_000 / 1025)
    // As soon as it pays again, always.
    while !spin.isDue() {}
    spin.ended(withSuccess: true)
    #expect(polls(&spin, 10, isSuccess: true) == Array(0..<10))
  }

  @Test("never with one processor, nor if it is switched off")
  func never() {
    var one = Spin(isAllowed: true, processorCount: 1)
    #expect(polls(&one, 100, isSuccess: true).isEmpty)
    var off = Spin(isAllowed: false, processorCount: 4)
    #expect(polls(&off, 100, isSuccess: true).isEmpty)
  }
}
