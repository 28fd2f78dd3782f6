// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import CLinux
internal import Glibc

/// A program of the system that is run to its end.
package enum ChildProcess {
  /// How a program ended.
  package struct Result: Sendable {
    /// Exit status, or 128 and the signal that ended it.
    package let status: Int
    /// What it wrote to its standard output and error, at most 4 KiB.
    package let output: String
  }

  /// Runs a program found in PATH, with no input, and waits for it.
  ///
  /// Blocks. At the deadline the program is killed; ETIMEDOUT then, also if it sits in a call
  /// that does not end.
  package static func run(
    _ arguments: [String], within time: Duration
  ) throws(SystemError) -> Result {
    let deadline = ContinuousClock.now + time
    var ends: [CInt] = [-1, -1]
    try check("pipe2") { unsafe pipe2(&ends, O_CLOEXEC) }
    let output = Descriptor(owning: ends[0])
    let process = try spawn(arguments, output: Descriptor(owning: ends[1]))

    var text: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 4096)
    while try poll([(output, POLLIN)], until: deadline) != 0 {
      let count = try check("read") {
        unsafe part.withUnsafeMutableBytes { unsafe read(output.number, $0.baseAddress, $0.count) }
      }
      if count == 0 { break }
      text += part.prefix(min(count, 4096 - text.count))
    }

    // Its output has ended, but it may still run; nothing tells when, so ask now and then.
    var status: CInt = 0
    while try check("waitpid", { unsafe waitpid(process, &status, WNOHANG) }) == 0 {
      if ContinuousClock.now >= deadline {
        kill(process, SIGKILL)
        usleep(100_000)
        unsafe waitpid(process, &status, WNOHANG)
        throw SystemError(arguments[0], ETIMEDOUT)
      }
      usleep(2_000)
    }
    return Result(
      status: Int(exitStatus(status)), output: String(decoding: text, as: UTF8.self))
  }

  private static func spawn(
    _ arguments: [String], output: Descriptor
  ) throws(SystemError) -> pid_t {
    var strings = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { unsafe strings.forEach { unsafe free($0) } }
    var failure: CInt = 0
    let process = unsafe CLinux.spawn(&strings, output.number, &failure)
    guard failure != 0 else { return process }
    var status: CInt = 0
    if process > 0 { unsafe waitpid(process, &status, 0) }
    throw SystemError(arguments[0], failure)
  }
}
