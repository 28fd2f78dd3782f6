// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A stream of bytes, taken apart into messages at their final NUL.
///
/// Every byte is looked at, and moved, a fixed number of times, however the stream is cut.
package struct Deframer: Sendable {
  private let limit: Int
  private var bytes: [UInt8] = []

  /// Where the messages that have not been handed out begin in `bytes`.
  private var start = 0

  private var completeCount = 0

  /// How many bytes of the message that is not complete have come.
  private var tailCount = 0

  /// Refuses messages of more than `limit` bytes, the NUL not counted.
  package init(limit: Int) {
    self.limit = limit
  }

  /// Whether the stream stands within a message: its end now would cut the message off.
  package var isInsideMessage: Bool { tailCount > 0 }

  /// Takes what has been read.
  ///
  /// After an error, messages that were complete before can still be had; the stream is of no
  /// other use.
  package mutating func append(_ chunk: some Collection<UInt8>) throws(MessageError) {
    let begin = bytes.count
    bytes.append(contentsOf: chunk)
    for position in begin..<bytes.count {
      if bytes[position] == 0 {
        completeCount += 1
        tailCount = 0
      } else {
        tailCount += 1
        guard tailCount <= limit else {
          bytes.removeSubrange(position...)
          throw MessageError(message: "a message is longer than \(limit) bytes")
        }
      }
    }
  }

  /// The next complete message without its NUL; nil until more has come.
  package mutating func next() -> [UInt8]? {
    guard completeCount > 0, let end = bytes[start...].firstIndex(of: 0) else { return nil }
    let message = Array(bytes[start..<end])
    start = end + 1
    completeCount -= 1
    if completeCount == 0 {
      bytes = Array(bytes[start...])
      start = 0
    }
    return message
  }
}
