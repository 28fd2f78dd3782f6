// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import TestSupport

/// A program that runs beside the test, with its output in files.
final class Program {
  let process: pid_t
  private let outputFile: String
  private let errorFile: String
  private var status: Int?

  /// Starts a program found in PATH, with no input and only this environment.
  ///
  /// `files` is the beginning of the paths of the two files.
  init(
    _ arguments: [String], environment: [String: String], files: String
  ) throws(SystemError) {
    outputFile = "\(files).out"
    errorFile = "\(files).err"
    process = try spawn(
      arguments, environment: environment, output: .file(outputFile), errors: .file(errorFile))
  }

  var output: String { File.contents(of: outputFile) ?? "" }
  var errors: String { File.contents(of: errorFile) ?? "" }

  /// The exit status, or 128 and the signal that ended it; nil while it runs.
  func poll() -> Int? {
    var raw: CInt = 0
    guard status == nil, unsafe waitpid(process, &raw, WNOHANG) == process else { return status }
    status = raw & 0x7f == 0 ? Int(raw >> 8 & 0xff) : 128 + Int(raw & 0x7f)
    return status
  }

  func wait() throws(Overdue) -> Int {
    try eventually("the end of process \(process)") { poll() }
  }

  func send(_ signal: CInt) {
    if poll() == nil { kill(process, signal) }
  }

  /// Ends it, by force if it takes its time.
  func end() {
    send(SIGTERM)
    if (try? eventually("", within: .seconds(5), { poll() })) == nil {
      send(SIGKILL)
      _ = try? wait()
    }
  }

  /// How many files it has open.
  var openFiles: Int { Directory.names(in: "/proc/\(process)/fd").count }

  /// The most memory it ever had, in KiB.
  var peakMemory: Int {
    let line = File.contents(of: "/proc/\(process)/status")?.split(separator: "\n")
      .first { $0.hasPrefix("VmHWM:") }
    return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
  }
}

/// Something a test waited for in vain.
struct Overdue: Error, CustomStringConvertible {
  var description: String
}

/// Asks again and again until there is an answer.
func eventually<Value>(
  _ what: String, within time: Duration = .seconds(60), _ ask: () -> Value?
) throws(Overdue) -> Value {
  let deadline = ContinuousClock.now + time
  while true {
    if let value = ask() { return value }
    guard ContinuousClock.now < deadline else { throw Overdue(description: "waited for \(what)") }
    usleep(5000)
  }
}

/// Waits until something holds.
func eventually(
  _ what: String, within time: Duration = .seconds(60), _ holds: () -> Bool
) throws(Overdue) {
  let _: Void = try eventually(what, within: time) { holds() ? () : nil }
}
