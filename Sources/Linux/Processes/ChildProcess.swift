// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import CLinux
internal import Glibc

/// Runs a program of the system to its end.
package enum ChildProcess {
  /// How a program ended.
  package struct Result: Sendable {
    /// Exit status, or 128 and the signal that ended it.
    package let status: Int
    /// The beginning of what it wrote to its standard output and error.
    package let output: String

    package init(status: Int, output: String) {
      (self.status, self.output) = (status, output)
    }
  }

  /// Why there is no result.
  package enum Failure: Error, Sendable, Equatable, CustomStringConvertible {
    /// The program could not be run; ENOENT: there is no such program.
    case notRun(SystemError)
    /// It did not end in time, and was killed.
    case timedOut(program: String, Duration)

    package var description: String {
      switch self {
      case .notRun(let error): error.description
      case .timedOut(let program, let time):
        "\(program) did not end within \(Quantities.exactly(time))"
      }
    }
  }

  /// Runs a program found in PATH, with no input, and waits for its end; it has `socket` as its descriptor 3.
  ///
  /// Of its output, `limit` bytes are kept.
  ///
  /// Blocks; without a limit if `time` is nil. After that time the program is killed, with all that it has
  /// started in its process group. The corresponding C functions are `vfork`, `execvp` and `pidfd_open`.
  package static func run(
    _ arguments: [String], within time: Duration?, socket: Descriptor? = nil,
    keeping limit: Int = 4096
  ) throws(Failure) -> Result {
    let deadline = time.map { ContinuousClock.now + $0 }
    let program = try mapError(try RunningProgram(arguments, socket), to: Failure.notRun)
    do throws(SystemError) {
      if let result = try program.result(until: deadline, limit) { return result }
    } catch {
      program.kill()
      throw .notRun(error)
    }
    program.kill()
    throw .timedOut(program: arguments[0], time ?? .zero)  // Only with a time is there a deadline.
  }
}

/// A program until it has ended, and been reaped.
private struct RunningProgram {
  private let process: pid_t
  /// Readable when the program has ended.
  private let handle: Descriptor
  private let output: Descriptor

  init(_ arguments: [String], _ socket: Descriptor?) throws(SystemError) {
    var ends: [CInt] = [-1, -1]
    try check("pipe2") { unsafe pipe2(&ends, O_CLOEXEC) }
    output = Descriptor(owning: ends[0])
    let input = Descriptor(owning: ends[1])
    try output.setBlocking(false)
    var strings = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { unsafe strings.forEach { unsafe free($0) } }
    var process: pid_t = -1
    handle = Descriptor(
      owning: try check(arguments[0]) {
        unsafe spawn(&strings, input.number, socket?.number ?? -1, &process)
      })
    self.process = process
  }

  /// Waits for the end, and reaps; nil at the deadline.
  ///
  /// The output counts up to the program's own end: what it has started may keep the pipe open for longer.
  func result(
    until deadline: ContinuousClock.Instant?, _ limit: Int
  ) throws(SystemError) -> ChildProcess.Result? {
    var text: [UInt8] = []
    var isOpen = true
    while true {
      let awaited = [(handle, POLLIN)] + (isOpen ? [(output, POLLIN)] : [])
      let ready = try Readiness.wait(for: awaited, until: deadline)
      if ready == 0 { return nil }
      while isOpen, let part = try readOutput() {
        text += part.prefix(limit - text.count)
        isOpen = !part.isEmpty
        if let deadline, ContinuousClock.now >= deadline { return nil }
      }
      guard ready & 1 != 0 else { continue }
      return ChildProcess.Result(status: reap(), output: String(decoding: text, as: UTF8.self))
    }
  }

  /// What has been written: empty at the end, nil if there is nothing now.
  private func readOutput() throws(SystemError) -> ArraySlice<UInt8>? {
    var part = [UInt8](repeating: 0, count: 4096)
    do throws(SystemError) {
      let count = try check("read") {
        unsafe part.withUnsafeMutableBytes { unsafe read(output.number, $0.baseAddress, $0.count) }
      }
      return part.prefix(count)
    } catch  where error.errno == EAGAIN {
      return nil
    }
  }

  /// Kills the program's process group, and reaps the program.
  ///
  /// A program in an uninterruptible call, for example on a device that does not respond, ends only
  /// after that call: a thread waits for it.
  func kill() {
    Glibc.kill(-process, SIGKILL)
    if let ready = try? Readiness.wait(for: [(handle, POLLIN)], until: .now + .seconds(1)),
      ready != 0
    {
      _ = reap()
    } else {
      try? Thread.start("reaper") { [self] in _ = reap() }
    }
  }

  /// Waits for the program's end and returns its exit status.
  private func reap() -> Int {
    var status: CInt = 0
    while unsafe waitpid(process, &status, 0) < 0 && errno == EINTR {}
    return Int(exitStatus(status))
  }
}
