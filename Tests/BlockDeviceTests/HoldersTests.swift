// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import BlockDevice
import Glibc
import Linux
import Testing
import TestSupport

/// Who keeps a mount point busy, shown with an ordinary directory.
@Suite(.timeLimit(.minutes(1)))
struct HoldersTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    for name in ["mount/below", "mounted"] {
      try Directory.create("\(directory.path)/\(name)")
    }
  }

  /// Runs `body` with the process id of a program that sleeps, after a shell has run `script`.
  private func whileSleeping(
    _ script: String, _ body: (pid_t) throws -> Void
  ) throws {
    let file = "\(directory.path)/pid"
    let command = "cd \(directory.path) && \(script) && echo $$ > \(file) && exec sleep 60"
    try Thread.start("holder") {
      _ = try? ChildProcess.run(["sh", "-c", command], within: .seconds(60))
    }
    var process: pid_t?
    while process == nil {
      usleep(10_000)
      process = File.contents(of: file).flatMap { pid_t($0.dropLast()) }
    }
    let found = try #require(process)
    defer { kill(found, SIGKILL) }
    // From the shell it turns into the program that sleeps.
    while File.contents(of: "/proc/\(found)/comm") != "sleep\n" { usleep(10_000) }
    try body(found)
  }

  @Test(arguments: ["cd mount", "cd mount/below", "exec 7> mount/file", "exec 7< mount"])
  func `finds a process by its working directory or an open file`(script: String) throws {
    try whileSleeping(script) { process in
      let expected = ["sleep (pid \(process))"]
      #expect(Holders.processes(usingMountAt: "\(directory.path)/mount") == expected)
      #expect(Holders.processes(usingMountAt: "\(directory.path)/mount/") == expected)
      #expect(Holders.processes(usingMountAt: "\(directory.path)/mounted") == [])
    }
  }

  @Test func `a directory whose name begins alike is another one`() throws {
    try whileSleeping("cd mounted") { process in
      #expect(Holders.processes(usingMountAt: "\(directory.path)/mount") == [])
      #expect(
        Holders.processes(usingMountAt: "\(directory.path)/mounted")
          == ["sleep (pid \(process))"])
    }
  }

  @Test func `does not name this process itself`() throws {
    let file = try Descriptor.open("\(directory.path)/mount", O_RDONLY)
    #expect(Holders.processes(usingMountAt: "\(directory.path)/mount") == [])
    #expect(file.number >= 0)
  }

  @Test func `a device that does not exist is held by nobody`() {
    // Far beyond what the driver can have.
    #expect(Holders.describe(1_000_000) == [])
    #expect(Holders.mountPoints(of: 1_000_000) == [])
    #expect(throws: SystemError("open /dev/nbd1000000", ENOENT)) {
      try Holders.claim(1_000_000)
    }
  }
}
