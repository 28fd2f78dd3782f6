// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Glibc
import Linux
import Testing

/// Threads for calls that block.
@Suite(.timeLimit(.minutes(1)))
struct ThreadTests {
  @Test(arguments: [
    ("backup", "backup"), ("", ""), ("exactly15bytes.", "exactly15bytes."),
    ("a-name-that-is-too-long", "a-name-that-is-"),
  ])
  func `the name is seen from outside, as far as there is room`(
    name: String, visible: String
  ) async throws {
    let text = try await onThread(name) {
      File.contents(of: "/proc/self/task/\(Thread.currentID)/comm")
    }
    #expect(text == visible + "\n")
  }

  @Test func `the name of the starting thread stays`() async throws {
    let own = File.contents(of: "/proc/self/comm")
    _ = try await onThread("another") { true }
    #expect(File.contents(of: "/proc/self/comm") == own)
  }

  @Test(arguments: [SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGALRM, SIGTERM, SIGCHLD, SIGTSTP, SIGPIPE])
  func `all signals are blocked`(signal: CInt) async throws {
    let isBlocked = try await onThread {
      var blocked = sigset_t()
      unsafe pthread_sigmask(SIG_BLOCK, nil, &blocked)
      return unsafe sigismember(&blocked, signal) == 1
    }
    #expect(isBlocked)
  }

  @Test func `each has an id of its own, and is gone when it has ended`() async throws {
    let ids = try await [onThread { Thread.currentID }, onThread { Thread.currentID }]
    #expect(!ids.contains(Int(getpid())))
    #expect(ids.allSatisfy { $0 > 0 })
    // It has answered, but may still be on its way out.
    let isGone = { File.contents(of: "/proc/self/task/\(ids[0])/comm") != "test\n" }
    for _ in 1...1000 where !isGone() { usleep(10_000) }
    #expect(isGone())
  }

  @Test func `what a thread was given is released at its end`() async throws {
    final class Witness: Sendable {}
    weak var released: Witness?
    do {
      let witness = Witness()
      released = witness
      #expect(try await onThread { withExtendedLifetime(witness) { true } })
    }
    for _ in 1...1000 where released != nil { usleep(10_000) }
    #expect(released == nil)
  }
}
