// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import Relay
internal import Synchronization

/// The clocks of a relay under test: those of the system, and as far ahead of them as the test says.
final class TestClock: Sendable {
  private let ahead = Atomic<Int64>(0)
  private let suspended = Atomic<Int64>(0)
  private let reads = Atomic(0)

  var relayClock: RelayClock {
    RelayClock(
      monotonic: { [self] in
        reads.add(1, ordering: .sequentiallyConsistent)
        return Clocks.monotonic + ahead.load(ordering: .sequentiallyConsistent)
      },
      boottime: { [self] in
        Clocks.boottime + ahead.load(ordering: .sequentiallyConsistent)
          + suspended.load(ordering: .sequentiallyConsistent)
      })
  }

  /// How often the relay has looked at it: at the start of each turn, and after it has waited.
  var readCount: Int { reads.load(ordering: .sequentiallyConsistent) }

  func advance(by time: Duration) {
    ahead.add(time.milliseconds * 1000, ordering: .sequentiallyConsistent)
  }

  /// As if the machine had slept.
  func suspend(for time: Duration) {
    suspended.add(time.milliseconds * 1000, ordering: .sequentiallyConsistent)
  }
}
