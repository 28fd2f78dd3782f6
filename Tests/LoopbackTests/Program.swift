// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
@testable import Linux

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
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    let writing = O_WRONLY | O_CREAT | O_APPEND
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_addopen(&actions, 1, outputFile, writing, 0o600)
    unsafe posix_spawn_file_actions_addopen(&actions, 2, errorFile, writing, 0o600)

    // Threads of the test's pool block signals, and nohup(1) has one ignored; the program shall not inherit
    // that.
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe sigfillset(&signals)
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    unsafe posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var strings = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { unsafe strings.forEach { unsafe free($0) } }
    var variables = unsafe environment.map { unsafe strdup("\($0)=\($1)") } + [nil]
    defer { unsafe variables.forEach { unsafe free($0) } }
    var process = pid_t()
    let result = unsafe posix_spawnp(
      &process, arguments[0], &actions, &attributes, &strings, &variables)
    guard result == 0 else { throw SystemError(arguments[0], result) }
    self.process = process
  }

  var output: String { contents(of: outputFile) ?? "" }
  var errors: String { contents(of: errorFile) ?? "" }

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
  var openFiles: Int { names(in: "/proc/\(process)/fd").count }

  /// The most memory it ever had, in KiB.
  var peakMemory: Int {
    let line = contents(of: "/proc/\(process)/status")?.split(separator: "\n")
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
