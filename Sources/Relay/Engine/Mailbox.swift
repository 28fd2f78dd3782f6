// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Synchronization
package import Transport

/// Messages from other threads to a relay's thread.
final class Mailbox: Sendable {
  /// `DeviceRelay` has a method for each.
  enum Message: Sendable {
    case use(HandedStream, Negotiated, as: ConnectionID, number: Int)
    case reconnect
    case fail
    case giveUp
    case abandon
    case change(giveUpAfter: Duration?, abandons: Bool)
    case wake
    case leave
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

  /// Removes and returns the oldest message; nil if there is none.
  func take() -> Message? {
    messages.withLock { $0.isEmpty ? nil : $0.removeFirst() }
  }
}

/// A stream that one thread hands to another, which alone uses it from then on.
///
/// The compiler cannot check that across a queue; the creator promises not to touch the stream again.
package struct HandedStream: @unchecked Sendable {
  let stream: ServerStream

  package init(_ stream: ServerStream) { self.stream = stream }
}
