// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Synchronization
package import Transport

/// What others want of a relay's thread.
final class Mailbox: Sendable {
  enum Message: Sendable {
    case connected(lane: Int, HandedStream, Negotiated)
    case reconnect
    case fail
    case giveUp
    case abandon
    case patience(Duration?, abandons: Bool)
    case stop
  }

  let wakeup: Wakeup
  private let messages = Mutex<[Message]>([])

  init() throws(SystemError) {
    wakeup = try Wakeup()
  }

  /// Can be called from any thread.
  func put(_ message: Message) {
    messages.withLock { $0.append(message) }
    wakeup.signal()
  }

  func take() -> Message? {
    messages.withLock { $0.isEmpty ? nil : $0.removeFirst() }
  }
}

/// A stream that one thread gives to another, which is the only one to use it from then on.
///
/// The compiler cannot check that across a queue; whoever makes one promises not to touch the stream again.
package struct HandedStream: @unchecked Sendable {
  let stream: ServerStream

  package init(_ stream: ServerStream) { self.stream = stream }
}
