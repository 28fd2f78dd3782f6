// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux

/// A buffer of received bytes that have not been processed yet.
struct ReceiveBuffer {
  /// The size of the largest message that is processed as a whole: an error with its text.
  static let byteCount = 128 << 10

  let region: Region
  /// Where the waiting bytes are.
  private(set) var start = 0
  private var end = 0

  init() throws(SystemError) {
    region = try Region(byteCount: ReceiveBuffer.byteCount)
  }

  var count: Int { end - start }

  /// Reads some of the waiting bytes without dropping them.
  func read<Value, Failure>(
    _ byteCount: Int, after skipped: Int = 0,
    _ body: (Span<UInt8>) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    try region.read(start + skipped, byteCount, body)
  }

  /// Returns where and how much more can be received, and moves the waiting bytes if the end is reached.
  mutating func makeRoom() -> (place: Int, count: Int) {
    if start == end {
      (start, end) = (0, 0)
    } else if end == ReceiveBuffer.byteCount {
      region.copy(count, from: region, at: start, to: 0)
      (start, end) = (0, count)
    }
    return (end, ReceiveBuffer.byteCount - end)
  }

  mutating func received(_ count: Int) { end += count }

  mutating func drop(_ count: Int) { start += count }

  mutating func removeAll() { (start, end) = (0, 0) }
}
