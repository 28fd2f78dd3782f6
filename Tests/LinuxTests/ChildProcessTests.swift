// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Glibc
import Linux
import Testing
import TestSupport

/// Running a program of the system to its end.
@Suite(.timeLimit(.minutes(1)))
struct ChildProcessTests {
  private static let long = Duration.seconds(50)

  private func shell(_ script: String) throws -> ChildProcess.Result {
    try ChildProcess.run(["sh", "-c", script], within: Self.long)
  }

  @Test(arguments: [("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", 137)])
  func `returns the exit status, or the signal`(script: String, status: Int) throws {
    #expect(try shell(script).status == status)
  }

  @Test func `returns what was written to standard output and error`() throws {
    let result = try shell("echo out; echo error >&2")
    #expect(result.output == "out\nerror\n")
  }

  @Test func `waits as long as it takes where there is no limit`() throws {
    #expect(try ChildProcess.run(["sh", "-c", "sleep 0.3; exit 4"], within: nil).status == 4)
  }

  @Test func `passes arguments as they are`() throws {
    let result = try ChildProcess.run(
      ["printf", "%s|", "a b", "$HOME", "", "*"], within: Self.long)
    #expect(result.output == "a b|$HOME||*|")
  }

  @Test func `a program that reads finds no input`() throws {
    let result = try ChildProcess.run(["cat"], within: Self.long)
    #expect(result.status == 0 && result.output == "")
  }

  @Test func `a program gets a socket as its descriptor 3`() throws {
    let (ours, theirs) = try MessageSocket.pair()
    let result = try ChildProcess.run(
      ["sh", "-c", "echo out; echo socket >&3"], within: Self.long, socket: theirs.descriptor)
    #expect(result.output == "out\n")
    let message = try #require(try ours.receive(100, waits: false))
    #expect(message.bytes == [UInt8]("socket\n".utf8))
  }

  @Test func `a program that writes much does not wait, and the first 4 KiB are kept`() throws {
    let result = try shell("i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i + 1)); done; exit 5")
    #expect(result.status == 5)
    #expect(result.output.utf8.count == 4096)
    #expect(result.output.hasPrefix("0\n1\n2\n"))
  }

  @Test func `output that is not UTF-8 is shown as well as can be`() throws {
    #expect(try shell(#"printf 'a\377b'"#).output == "a\u{FFFD}b")
  }

  @Test func `a program that does not exist is an error`() {
    let name = "nbdd-has-no-such-program"
    #expect(throws: ChildProcess.Failure.notRun(SystemError(name, ENOENT))) {
      try ChildProcess.run([name, "x"], within: Self.long)
    }
  }

  @Test(arguments: [SIGTERM, SIGINT, SIGPIPE, SIGHUP])
  func `a program is not deaf to signals, though the thread that runs it is`(
    signal: CInt
  ) async throws {
    let status = try await onThread {
      try? ChildProcess.run(["sh", "-c", "kill -\(signal) $$; exit 0"], within: Self.long).status
    }
    #expect(status == 128 + Int(signal))
  }

  @Test(arguments: ["exec sleep 60", "exec sleep 60 >&- 2>&-", "while :; do echo x; done"])
  func `at the deadline a program is killed`(script: String) throws {
    let directory = try TemporaryDirectory()
    let file = "\(directory.path)/pid"
    #expect(throws: ChildProcess.Failure.timedOut(program: "sh", .milliseconds(500))) {
      try ChildProcess.run(
        ["sh", "-c", "echo $$ > \(file); \(script)"], within: .milliseconds(500))
    }
    let text = try #require(File.contents(of: file))
    let process = try #require(pid_t(text.dropLast()))
    #expect(kill(process, 0) == -1)
  }

  @Test func `at the deadline what a program has started is killed too`() throws {
    let directory = try TemporaryDirectory()
    let file = "\(directory.path)/pid"
    #expect(throws: ChildProcess.Failure.self) {
      try ChildProcess.run(
        ["sh", "-c", "sleep 60 & echo $! > \(file); wait"], within: .milliseconds(500))
    }
    let text = try #require(File.contents(of: file))
    let process = try #require(pid_t(text.dropLast()))
    // It may take a moment to die, and whoever it belongs to now to reap it.
    let isOver = {
      let state = File.contents(of: "/proc/\(process)/stat").flatMap {
        $0.split(separator: ")").last
      }
      return kill(process, 0) == -1 || state?.hasPrefix(" Z") == true
    }
    for _ in 0..<1000 where !isOver() { usleep(10_000) }
    #expect(isOver())
  }

  @Test func `says which program did not end, and in what time`() {
    let error = ChildProcess.Failure.timedOut(program: "fsck", .seconds(60))
    #expect(error.description == "fsck did not end within 60 s")
  }

  @Test func `the end of a program counts, not that of what it leaves behind`() throws {
    let result = try shell("sleep 55 & echo done")
    #expect(result.status == 0 && result.output == "done\n")
  }

  @Test func `several at a time do not disturb each other`() async throws {
    try await withThrowingTaskGroup { group in
      for number in 0..<8 {
        group.addTask {
          try await onThread {
            try? ChildProcess.run(
              ["sh", "-c", "echo \(number); exit \(number)"], within: Self.long)
          }
        }
      }
      var results: [String] = []
      for try await result in group {
        results.append("\(result?.status ?? -1) \(result?.output ?? "")")
      }
      #expect(results.sorted() == (0..<8).map { "\($0) \($0)\n" })
    }
  }
}
