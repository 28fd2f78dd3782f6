// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import TestSupport

/// Text that is nearly right.
extension SplitMix {
  /// A short text of fragments, in which now and then a byte is changed to any other.
  mutating func nonsense(of fragments: [String]) -> [UInt8] {
    var bytes: [UInt8] = []
    for _ in 0..<Int.random(in: 1...12, using: &self) {
      bytes += Array(fragments.randomElement(using: &self)?.utf8 ?? "".utf8)
    }
    if Int.random(in: 0..<4, using: &self) == 0 {
      bytes[Int.random(in: bytes.indices, using: &self)] = UInt8.random(in: 0...255, using: &self)
    }
    return bytes
  }
}
