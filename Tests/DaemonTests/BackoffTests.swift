// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Testing

@testable import Daemon

/// The pauses between attempts.
struct BackoffTests {
  @Test func `the first retry is at once, then 100 ms doubling up to the limit`() {
    var backoff = Backoff()
    let pauses = (0..<12).map { _ in backoff.next(limit: .seconds(30), random: 0) }
    #expect(
      pauses.map(\.inMilliseconds)
        == [0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000])
  }

  @Test func `chance takes up to a quarter off each pause and adds nothing`() {
    var backoff = Backoff()
    #expect(backoff.next(limit: .seconds(30), random: 0.999) == .zero)
    var full = 100.0
    for _ in 0..<12 {
      let pause = backoff.next(limit: .seconds(30), random: 0.999) / .milliseconds(1)
      #expect(pause >= full * 0.75 && pause < full * 0.76)
      full = min(full * 2, 30_000)
    }
  }

  @Test func `a limit below 100 ms is kept from the second retry on`() {
    var backoff = Backoff()
    #expect(backoff.next(limit: .milliseconds(40), random: 0) == .zero)
    #expect(backoff.next(limit: .milliseconds(40), random: 0) == .milliseconds(40))
  }

  @Test func `thousands of failures neither overflow nor exceed the limit`() {
    var backoff = Backoff()
    for _ in 0..<10_000 { _ = backoff.next(limit: .seconds(86_400), random: 0) }
    #expect(backoff.next(limit: .seconds(86_400), random: 0) == .seconds(86_400))
  }

  @Test func `a lower limit holds from the next pause on`() {
    var backoff = Backoff()
    for _ in 0..<20 { _ = backoff.next(limit: .seconds(30), random: 0) }
    #expect(backoff.next(limit: .seconds(2), random: 0) == .seconds(2))
  }

  @Test func `the slowest pace is the limit from the first failure on`() {
    var backoff = Backoff()
    #expect(backoff.slowest(limit: .seconds(30), random: 0) == .seconds(30))
    #expect(backoff.slowest(limit: .seconds(40), random: 0.5) == .seconds(35))
  }

  @Test func `failures at the slowest pace count for what follows`() {
    var backoff = Backoff()
    _ = backoff.slowest(limit: .seconds(30), random: 0)
    #expect(backoff.next(limit: .seconds(30), random: 0) == .milliseconds(100))
  }

  @Test func `after a reset it starts afresh`() {
    var backoff = Backoff()
    for _ in 0..<5 { _ = backoff.next(limit: .seconds(30), random: 0) }
    backoff.reset()
    #expect(backoff.next(limit: .seconds(30), random: 0) == .zero)
    #expect(backoff.next(limit: .seconds(30), random: 0) == .milliseconds(100))
  }
}

extension Duration {
  nonisolated fileprivate var inMilliseconds: Double { self / .milliseconds(1) }
}
