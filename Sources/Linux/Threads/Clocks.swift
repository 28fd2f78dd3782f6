// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc

/// The system's clocks, in the unit that journal and service manager use.
///
/// The corresponding C function is `clock_gettime`.
package enum Clocks {
  /// Microseconds since 1970.
  package static var realtime: Int64 { microseconds(CLOCK_REALTIME) }

  /// Microseconds since an unspecified moment, without the time in suspend.
  package static var monotonic: Int64 { microseconds(CLOCK_MONOTONIC) }

  /// The same, with the time in suspend.
  package static var boottime: Int64 { microseconds(CLOCK_BOOTTIME) }

  private static func microseconds(_ clock: CInt) -> Int64 {
    var time = timespec()
    unsafe clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
  }
}
