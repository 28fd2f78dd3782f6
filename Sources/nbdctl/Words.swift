// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Numbers as people like to read them.
enum Words {
  /// Bytes in the largest unit that leaves a number above 1: "64 MiB", "1.5 GiB".
  static func size(_ bytes: Int64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var value = Double(bytes)
    var unit = 0
    while value >= 1024, unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    let tenths = Int((value * 10).rounded())
    return tenths % 10 == 0
      ? "\(tenths / 10) \(units[unit])" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
  }

  /// A moment in the past, in microseconds since 1970.
  static func ago(_ moment: Int64, now: Int64) -> String {
    "\(duration(now - moment)) ago"
  }

  /// A moment in the future.
  static func ahead(_ moment: Int64, now: Int64) -> String {
    moment <= now ? "now" : "in \(duration(moment - now))"
  }

  private static func duration(_ microseconds: Int64) -> String {
    let seconds = max(0, microseconds) / 1_000_000
    return switch seconds {
    case 0: "\(max(0, microseconds) / 1000) ms"
    case ..<120: "\(seconds) s"
    case ..<7200: "\(seconds / 60) min"
    case ..<172_800: "\(seconds / 3600) h"
    default: "\(seconds / 86400) days"
    }
  }
}

extension String {
  /// With blanks behind it up to a width.
  func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }

  var trimmedRight: String {
    var text = self
    while text.last == " " { text.removeLast() }
    return text
  }
}
