// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc

/// Numbers in the notation for people.
enum HumanReadable {
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

  /// A moment as a line of a log begins, in local time: "2026-08-01 12:00:00.250".
  static func moment(_ microseconds: Int64) -> String {
    var seconds = time_t(microseconds / 1_000_000)
    var parts = unsafe tm()
    unsafe localtime_r(&seconds, &parts)
    var text = [CChar](repeating: 0, count: 64)
    let length = unsafe strftime(&text, text.count, "%Y-%m-%d %H:%M:%S", &parts)
    let thousandths = "\(1000 + microseconds / 1000 % 1000)".dropFirst()
    return String(decoding: text.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self)
      + ".\(thousandths)"
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
  /// Returns the text padded with blanks to a width.
  func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }

  /// Returns the text cut to a width, but at least 10, with "…" for what is left out.
  func cut(to width: Int) -> String {
    let most = max(width, 10)
    return count <= most ? self : prefix(most - 1) + "…"
  }

  var trimmedRight: String {
    var text = self
    while text.last == " " { text.removeLast() }
    return text
  }
}
