// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc

/// A time in a certificate.
package struct Time: Sendable, Equatable, Comparable, CustomStringConvertible {
  /// Seconds since 1970, UTC.
  package let seconds: Int64

  package init(seconds: Int64) {
    self.seconds = seconds
  }

  static var now: Time { Time(seconds: Int64(time(nil))) }

  /// The days from now until then; below 0 if it has passed.
  package var daysFromNow: Int { Int((Double(seconds - Time.now.seconds) / 86400).rounded(.down)) }

  package static func < (left: Time, right: Time) -> Bool {
    left.seconds < right.seconds
  }

  /// For example "2026-08-01 12:00:00 UTC".
  package var description: String {
    var time = time_t(seconds)
    var parts = unsafe tm()
    guard unsafe gmtime_r(&time, &parts) != nil else { return "\(seconds) s after 1970" }
    var text = [CChar](repeating: 0, count: 64)
    let length = unsafe strftime(&text, text.count, "%Y-%m-%d %H:%M:%S UTC", &parts)
    return String(decoding: text.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
