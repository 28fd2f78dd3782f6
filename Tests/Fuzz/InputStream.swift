// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD

/// A server that says what the input holds, and then ends.
final class InputStream: ByteStream {
  private let script: [UInt8]
  private var position = 0
  private let largestRead: Int

  /// `largestRead` is the most that may be asked for at once, whatever the server announces.
  init(_ script: [UInt8], largestRead: Int = 65536) {
    self.script = script
    self.largestRead = largestRead
  }

  func beginStep() {}

  func read(_ count: Int) throws(StreamError) -> [UInt8] {
    precondition(0...largestRead ~= count, "a read of \(count) bytes")
    let left = script.count - position
    guard count <= left else { throw .ended(received: left) }
    defer { position += count }
    return Array(script[position..<(position + count)])
  }

  func write(_ bytes: [UInt8]) {}

  let canSecure = true

  func secure() {}

  func restart() -> Bool { false }
}
