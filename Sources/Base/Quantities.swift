// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Durations and sizes as users write them: a number and a unit.
package enum Quantities {
  /// "250ms", "30s", "5min", "2h"; nil for anything else, also without a unit.
  package static func duration(_ text: String) -> Duration? {
    value(
      text,
      ["ms": .milliseconds(1), "s": .seconds(1), "min": .seconds(60), "h": .seconds(3600)]
    ) { number, unit in
      // More than 100 years is a mistake, and arithmetic would overflow.
      number <= Int(Duration.seconds(100 * 365 * 24 * 3600) / unit) ? unit * number : nil
    }
  }

  /// "512B", "64KiB", "1MiB", "2GiB" in bytes; nil for anything else.
  package static func size(_ text: String) -> Int? {
    value(text, ["B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30]) { number, unit in
      let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
      return overflow ? nil : bytes
    }
  }

  /// Rounded, for a status line: "80 ms", "8 s", "3 min", "2 h".
  package static func words(_ duration: Duration) -> String {
    let milliseconds = max(0, Int(duration / .milliseconds(1)))
    return switch milliseconds {
    case 0..<1000: "\(milliseconds) ms"
    case 1000..<100_000: "\((milliseconds + 500) / 1000) s"
    case 100_000..<6_000_000: "\((milliseconds + 30_000) / 60_000) min"
    default: "\((milliseconds + 1_800_000) / 3_600_000) h"
    }
  }

  /// A limit that was set, in the largest unit that says it exactly: "1500 ms", "30 s", "2 min".
  package static func exactly(_ duration: Duration) -> String {
    let milliseconds = max(0, Int(duration / .milliseconds(1)))
    return switch milliseconds {
    case 6_000_000... where milliseconds % 3_600_000 == 0: "\(milliseconds / 3_600_000) h"
    case 100_000... where milliseconds % 60_000 == 0: "\(milliseconds / 60_000) min"
    case 1000... where milliseconds % 1000 == 0: "\(milliseconds / 1000) s"
    default: "\(milliseconds) ms"
    }
  }

  private static func value<Unit, Value>(
    _ text: String, _ units: [String: Unit], _ combine: (Int, Unit) -> Value?
  ) -> Value? {
    // Looking up longer hostile Unicode can take quadratic time.
    guard text.utf8.count <= 32 else { return nil }
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = Int(digits), let unit = units[String(text.dropFirst(digits.count))] else {
      return nil
    }
    return combine(number, unit)
  }
}
