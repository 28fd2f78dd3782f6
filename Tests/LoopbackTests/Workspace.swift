// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
@testable import Linux
internal import TestSupport

/// A directory for one test, and everything the test has started.
final class Workspace {
  private let directory: TemporaryDirectory
  private var programs: [Program] = []
  private var interrupts: [Wakeup] = []
  private var pidFiles: [String] = []

  /// Runs a test; whatever becomes of it, what it started is ended and its files are removed.
  static func run<Result>(_ body: (Workspace) throws -> Result) throws -> Result {
    let workspace = try Workspace()
    defer { workspace.close() }
    return try body(workspace)
  }

  private init() throws(SystemError) {
    directory = try TemporaryDirectory()
  }

  var path: String { directory.path }

  private func close() {
    for program in programs.reversed() { program.end() }
    for file in pidFiles {
      if let process = File.contents(of: file).flatMap({ pid_t($0.filter(\.isNumber)) }),
        process > 1
      {
        kill(process, SIGTERM)
      }
    }
    for interrupt in interrupts { interrupt.signal() }
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file, and makes the directories it is in.
  @discardableResult
  func write(_ text: String, to name: String) throws(SystemError) -> String {
    try directory.write(text, to: name)
  }

  func start(
    _ arguments: [String], environment: [String: String] = [:]
  ) throws(SystemError) -> Program {
    var variables = ["PATH": Environment["PATH"] ?? "/usr/bin:/usr/sbin"]
    variables.merge(environment) { $1 }
    let program = try Program(
      arguments, environment: variables, files: file("program\(programs.count)"))
    programs.append(program)
    return program
  }

  /// The path of a file for the process id of a program that leaves its parent; it is ended too.
  func adopted(_ name: String) -> String {
    pidFiles.append(file("\(name).pid"))
    return file("\(name).pid")
  }

  /// A UNIX socket on which connections are answered with this text and then kept, in silence.
  func responder(_ text: String) throws(SystemError) -> String {
    let path = file("responder\(interrupts.count)")
    let listener = try ControlSocket.listen(at: path, group: nil)
    let interrupt = try Wakeup()
    interrupts.append(interrupt)
    try Thread.start("responder") {
      var accepted: [Descriptor] = []
      while (try? Readiness.wait(
        for: [(interrupt.descriptor, POLLIN), (listener, POLLIN)], until: nil)) == 2
      {
        guard let connection = try? ControlSocket.accept(on: listener) else { continue }
        _ = try? ControlSocket.send(Array(text.utf8), on: connection)
        accepted.append(connection)
      }
    }
    return path
  }

  /// A TCP port on a loopback address that nobody used a moment ago.
  static func freePort(_ host: String) throws -> UInt16 {
    let address = try Address.resolve(host: host, port: 0)[0]
    let probe = Descriptor(
      owning: try check("socket") { socket(address.family, CInt(SOCK_STREAM.rawValue), 0) })
    var bytes = address.bytes
    var length = socklen_t(bytes.count)
    try unsafe bytes.withUnsafeMutableBytes { raw in
      let start = unsafe raw.assumingMemoryBound(to: sockaddr.self).baseAddress
      try check("bind") {
        unsafe bind(probe.number, __CONST_SOCKADDR_ARG(__sockaddr__: start), length)
      }
      try check("getsockname") {
        unsafe getsockname(probe.number, __SOCKADDR_ARG(__sockaddr__: start), &length)
      }
    }
    // The port is in the same place for both families, most significant byte first.
    return UInt16(bytes[2]) << 8 | UInt16(bytes[3])
  }
}
