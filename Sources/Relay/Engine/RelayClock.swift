// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// The clocks of a relay, in microseconds; a test has clocks of its own, which it can advance.
package struct RelayClock: Sendable {
  /// The time since some moment, without the time in suspend.
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
