// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// What tells a relay the time, in microseconds; a test has one of its own, which it can put forward.
package struct RelayClock: Sendable {
  /// Since some moment, without the time in suspend.
  package var monotonic: @Sendable () -> Int64
  /// The same, with the time in suspend.
  package var boottime: @Sendable () -> Int64

  package init(
    monotonic: @escaping @Sendable () -> Int64, boottime: @escaping @Sendable () -> Int64
  ) {
    (self.monotonic, self.boottime) = (monotonic, boottime)
  }

  /// The clocks of the system.
  package static let system = RelayClock(
    monotonic: { Clocks.monotonic }, boottime: { Clocks.boottime })
}
