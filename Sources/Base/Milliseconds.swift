// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

extension Duration {
  /// Whole milliseconds, rounded up.
  package var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    let up: Int64 = attoseconds > 0 ? 999_999_999_999_999 : 0
    let rounded = (attoseconds + up) / 1_000_000_000_000_000
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
    return overflow ? (seconds < 0 ? .min : .max) : product &+ rounded
  }
}
