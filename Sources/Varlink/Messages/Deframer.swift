// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Splits a stream of bytes into messages at their final NUL.
///
/// Every byte is examined and moved a fixed number of times, however the stream is divided.
package struct Deframer: Sendable {
  private let limit: Int
  private var bytes: [UInt8] = []

  /// Where the messages that have not been returned begin in `bytes`.
  private var start = 0

  private var completeCount = 0

  /// How many bytes of the incomplete message have arrived.
  private var tailCount = 0

  /// Rejects messages of more than `limit` bytes, not counting the NUL.
  package init(limit: Int) {
    self.limit = limit
  }

  /// Whether the stream is inside a message, which would be truncated if the stream ended now.
  package var isInsideMessage: Bool { tailCount > 0 }

  /// Appends what has been read.
  ///
  /// After an error, messages that were complete before can still be taken; the stream is otherwise
  /// useless.
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

  /// Returns the next complete message without its NUL; nil until more has arrived.
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
