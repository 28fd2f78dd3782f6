// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Glibc
import Testing

@testable import Linux

/// Ending a wait from outside.
@Suite(.timeLimit(.minutes(1)))
struct InterruptTests {
  @Test func `is not raised by itself`() throws {
    let interrupt = try Wakeup()
    #expect(!interrupt.isSignalled)
    #expect(try !interrupt.wait(within: .milliseconds(20)))
  }

  @Test func `once raised it stays raised, however often one looks`() throws {
    let interrupt = try Wakeup()
    interrupt.signal()
    interrupt.signal()
    for _ in 1...3 {
      #expect(interrupt.isSignalled)
      #expect(try interrupt.wait(within: .seconds(50)))
    }
  }

  @Test func `ends a wait from another thread`() throws {
    let interrupt = try Wakeup()
    try Thread.start("interrupt") {
      usleep(50_000)
      interrupt.signal()
    }
    #expect(try interrupt.wait(within: .seconds(50)))
  }

  @Test func `does not wake before the time has passed`() throws {
    let interrupt = try Wakeup()
    let begin = ContinuousClock.now
    #expect(try !interrupt.wait(within: .microseconds(30_500)))
    #expect(ContinuousClock.now - begin >= .microseconds(30_500))
  }

  @Test(arguments: [
    (Duration.zero, Int64(0)), (.milliseconds(7), 7), (.microseconds(1), 1),
    (.microseconds(1001), 2),
    (.nanoseconds(999_999), 1), (.seconds(3), 3000), (.seconds(Int64.max), .max),
    (.milliseconds(-5), -5), (.microseconds(-1500), -1),
  ])
  func `milliseconds are rounded up`(duration: Duration, milliseconds: Int64) {
    #expect(duration.milliseconds == milliseconds)
  }
}
