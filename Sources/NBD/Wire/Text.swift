// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The most bytes that any string of the protocol may have (proto.md, *Conventions*).
let longestString = 4096

/// Returns a number in hexadecimal, with as many digits as its type has.
func hexadecimal<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: Value.bitWidth / 4 - digits.count) + digits
}
