// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Dispatch
import Glibc
import Testing

@testable import Daemon

/// Timers of the event loop.
@Suite(.timeLimit(.minutes(1)))
struct LoopTests {
  @Test func `a timer that is kept fires once`() async throws {
    var count = 0
    let timer = Loop.timer(after: .milliseconds(1)) { count += 1 }
    while count == 0 { try await Task.sleep(for: .milliseconds(5)) }
    try await Task.sleep(for: .milliseconds(30))
    #expect(count == 1)
    withExtendedLifetime(timer) {}
  }

  @Test func `a timer that is given up when it is due already does not fire`() async throws {
    var hasFired = false
    // As an event of the loop, and not as a task, like all that happens in the daemon.
    await withCheckedContinuation { continuation in
      DispatchQueue.main.async {
        var timer: Loop.Timer? = Loop.timer(after: .zero) { hasFired = true }
        usleep(20_000)
        #expect(timer != nil)
        timer = nil
        continuation.resume()
      }
    }
    try await Task.sleep(for: .milliseconds(50))
    #expect(!hasFired)
  }
}
