// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Synchronization
package import Transport

/// What other threads want of a relay's thread.
final class Mailbox: Sendable {
  /// `DeviceRelay` has a method for each.
  enum Message: Sendable {
    case use(HandedStream, Negotiated, as: ConnectionID)
    case reconnect
    case fail
    case giveUp
    case abandon
    case change(giveUpAfter: Duration?, abandons: Bool)
    case wake
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

  /// The oldest message, which is not in there any more; nil if there is none.
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
