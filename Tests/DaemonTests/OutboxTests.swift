// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Dispatch
import Glibc
import Synchronization
import Testing

@testable import Daemon

/// What waits for somebody who is slow.
@Suite(.timeLimit(.minutes(1)))
struct OutboxTests {
  /// Somebody who takes nothing until he is let.
  private nonisolated final class Reader: Sendable {
    let gate = DispatchSemaphore(value: 0)
    let taken = Mutex<[String]>([])

    func take(_ item: String) {
      gate.wait()
      taken.withLock { $0.append(item) }
    }

    func admit(_ count: Int) { for _ in 0..<count { gate.signal() } }
  }

  @Test func `drops what does not fit, counts it, and keeps the order`() {
    let reader = Reader()
    let outbox = Outbox<String>("test", limit: 3, note: { "\($0) dropped" }) { reader.take($0) }
    outbox.append("first")
    // The thread has it, and waits.
    usleep(200_000)
    for number in 1...5 { outbox.append("\(number)") }
    outbox.drain(until: .now + .milliseconds(20))
    #expect(reader.taken.withLock { $0 } == [])
    reader.admit(5)
    outbox.drain(until: .now + .seconds(30))
    #expect(reader.taken.withLock { $0 } == ["first", "1", "2", "3", "2 dropped"])
    outbox.append("last")
    reader.admit(1)
    outbox.drain(until: .now + .seconds(30))
    #expect(reader.taken.withLock { $0.last } == "last")
  }

  @Test func `keeps the last word of each kind`() {
    let reader = Reader()
    let outbox = Outbox<String>("test", limit: 16) { reader.take($0) }
    outbox.append("first")
    usleep(200_000)
    for word in ["A1", "B1", "A2", "C1", "A3", "B2"] {
      outbox.append(word) { $0.first == word.first }
    }
    reader.admit(10)
    outbox.drain(until: .now + .seconds(30))
    #expect(reader.taken.withLock { $0 } == ["first", "C1", "A3", "B2"])
  }
}
