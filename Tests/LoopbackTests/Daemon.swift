// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
@testable import Linux
internal import Testing
internal import TestSupport
internal import Varlink

/// nbdd as a real process, with a configuration and a control socket of its own.
///
/// Devices are declared with a kernel device that no machine has: everything before the kernel
/// is real, and nothing is ever attached.
struct Daemon {
  let program: Program
  let socket: String
  let workspace: Workspace

  /// Starts nbdd and waits until it answers.
  ///
  /// `devices` are the texts of the files in devices.d by the devices' names; `through` is a
  /// program that starts it.
  init(
    in workspace: Workspace, _ devices: KeyValuePairs<String, String> = [:],
    main: String? = nil, environment: [String: String] = [:], through: [String] = []
  ) throws {
    for (name, text) in devices { try Self.declare(name, text, in: workspace) }
    if let main { try workspace.write(main, to: "etc/nbdd.json") }
    try self.init(configuredIn: workspace, environment: environment, through: through)
    // Not only until it listens: then it has yet to read its configuration.
    let (program, socket) = (program, socket)
    try eventually("nbdd to answer") {
      program.poll() != nil || (try? Caller(socket).call("org.nbdd.Status")) != nil
    }
    try #require(program.poll() == nil, "nbdd ended: \(program.errors)")
  }

  /// Starts nbdd and does not wait.
  init(
    configuredIn workspace: Workspace, environment: [String: String] = [:],
    through: [String] = []
  ) throws {
    // Without modprobe in its PATH it cannot load a driver into the machine that runs the tests.
    let variables = ["PATH": workspace.file("bin")].merging(environment) { $1 }
    self.workspace = workspace
    socket = workspace.file("org.nbdd")
    program = try workspace.start(
      through + [builtProgram("nbdd"), "--config", workspace.file("etc"), "--socket", socket],
      environment: variables)
  }

  static func declare(_ name: String, _ text: String, in workspace: Workspace) throws {
    try workspace.write(text, to: "etc/devices.d/\(name).json")
  }

  /// The text of a file for a device; `more` are further members.
  static func device(_ uri: String, _ index: Int = 9000, _ more: String = "") -> String {
    """
    { "uri": "\(uri)", "device": "nbd\(index)", \(more) }
    """
  }

  // MARK: nbdctl

  /// How a run of nbdctl ended.
  struct Outcome {
    var status: Int
    var output: String
    var errors: String
  }

  func nbdctl(_ arguments: String...) throws -> Outcome {
    let program = try start(arguments)
    return Outcome(status: try program.wait(), output: program.output, errors: program.errors)
  }

  func start(_ arguments: [String]) throws -> Program {
    try workspace.start([builtProgram("nbdctl")] + arguments, environment: ["NBDD_SOCKET": socket])
  }

  /// Whether the log names a process.
  func hasLogged(_ process: pid_t) -> Bool { program.errors.contains("pid \(process)\n") }

  // MARK: the control socket

  func connect() throws -> Caller { try Caller(socket) }

  /// What Status says of a device now.
  func runtime(_ name: String) throws -> JSON {
    let reply = try connect().call("org.nbdd.Status", ["name": JSON(name)])
    return try #require(reply.parameters["devices"]?.array?.first?["runtime"], "\(reply)")
  }

  func state(_ name: String) throws -> String? { try runtime(name)["state"]?.string }

  /// Waits for a device's first failed attempt.
  func awaitFailure(of name: String) throws -> JSON {
    try eventually("\(name) to fail") {
      (try? runtime(name)).flatMap { $0["nextAttemptRealtimeUSec"] == nil ? nil : $0 }
    }
  }
}
