// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Reads and writes big-endian numbers in place.
extension Span<UInt8> {
  /// Reads the number whose first byte is at `offset`.
  @inlinable
  package func number<Value: FixedWidthInteger & UnsignedInteger>(at offset: Int) -> Value {
    var value: Value = 0
    for index in offset..<(offset + Value.bitWidth / 8) { value = value << 8 | Value(self[index]) }
    return value
  }
}

extension MutableSpan<UInt8> {
  /// Writes a number whose first byte goes to `offset`.
  mutating func set(_ value: some FixedWidthInteger & UnsignedInteger, at offset: Int) {
    for index in 0..<(value.bitWidth / 8) {
      self[offset + index] = UInt8(truncatingIfNeeded: value >> (value.bitWidth - 8 - 8 * index))
    }
  }
}
