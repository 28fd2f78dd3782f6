// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import Testing
internal import TestSupport

/// Who may do what.
struct PermissionTests {
  @Test func `lets nobody but its user and group near the socket`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace)
      var status = stat()
      try #require(unsafe stat(daemon.socket, &status) == 0)
      #expect(status.st_mode & 0o007 == 0)
      #expect(status.st_mode & 0o600 == 0o600)
    }
  }

  @Test(
    .enabled(if: Tool.isRoot, "only root can become another user"),
    .enabled(if: Tool.setpriv.isInstalled, "setpriv is not installed: apt-get install util-linux"))
  func `lets another user look and not touch`() throws {
    try Workspace.run { workspace in
      let device = Daemon.device("nbd://quiet.invalid/", 9000, "autoAttach: false")
      let daemon = try Daemon(in: workspace, ["quiet": device])
      let nobody = try Nobody(of: daemon)
      let run = { (arguments: [String]) in
        let program = try nobody.start(arguments)
        return (try program.wait(), program.errors)
      }
      let (closed, reason) = try run(["status"])
      #expect(closed == 77)
      #expect(reason.contains("Permission denied; you may not talk to nbdd"))

      unsafe chmod(daemon.socket, 0o666)
      #expect(try run(["status"]).0 == 0)
      #expect(try run(["status", "quiet"]).0 == 3)
      for arguments in [
        ["attach", "quiet"], ["attach", "nbd://a.invalid/"], ["detach", "quiet"], ["reload"],
      ] {
        let (status, reason) = try run(arguments)
        #expect(status == 77)
        #expect(reason == "nbdctl: only root and members of the socket's group may do that\n")
      }
      #expect(try daemon.state("quiet") == "detached")
    }
  }

  @Test(
    .enabled(if: Tool.isRoot, "only root can become another user"),
    .enabled(if: Tool.setpriv.isInstalled, "setpriv is not installed: apt-get install util-linux"))
  func `lets a member of the group attach what nbdd does not follow as root`() throws {
    try Workspace.run { workspace in
      let socket = "nbd+unix:///?socket=\(workspace.file("none"))"
      let mounted = #"autoAttach: false, mount: { "path": "/srv" }, tlsPSKFile: "/psk""#
      let daemon = try Daemon(in: workspace, ["quiet": Daemon.device(socket, 9000, mounted)])
      var file = stat()
      try #require(unsafe stat(daemon.socket, &file) == 0)
      unsafe chmod(daemon.socket, 0o660)
      let member = try Nobody(of: daemon, group: file.st_gid)
      let closed = "nbd://127.0.0.1:\(try Workspace.freePort("127.0.0.1"))/"

      // What root has declared is as root has declared it.
      #expect(try member.run(["attach", "quiet"]).errors.contains("there is no such socket"))
      #expect(try member.run(["detach", "quiet"]).status == 0)
      #expect(try member.run(["reload"]).status == 0)
      // The server is tried, so the call was allowed.
      let allowed = try member.run(["attach", closed, "--device", "nbd9001", "--read-only"])
      #expect(allowed.status == 69)
      #expect(allowed.errors.contains("connection refused"))

      let refused = [
        ([socket], "a URI with a UNIX socket"),
        (["nbd+unix:///?socket=%00abstract"], "a URI with a UNIX socket"),
        ([closed, "--mount", "/etc"], "mount"),
        ([socket, "--mount", "/etc"], "mount, a URI with a UNIX socket"),
      ]
      for (arguments, words) in refused {
        let outcome = try member.run(
          ["attach", "--name", "new", "--device", "nbd9001"] + arguments)
        #expect(outcome.status == 77)
        #expect(outcome.errors.hasPrefix("nbdctl: only root may attach with \(words), because "))
        #expect(try daemon.nbdctl("status", "new").status == 4)
      }
    }
  }
}

/// A user without rights, who has nbdctl.
struct Nobody {
  /// One that is not in the home of another.
  static let python = "/usr/bin/python3"
  static let hasPython = unsafe access(python, X_OK) == 0

  private let daemon: Daemon
  private let nbdctl: String
  private let groups: [String]

  /// Cancels the test if such a user cannot run programs of this package.
  ///
  /// `group` is one that it is a member of.
  init(of daemon: Daemon, group: gid_t? = nil) throws {
    self.daemon = daemon
    groups = group.map { ["--groups", "\($0)"] } ?? ["--clear-groups"]
    // The package may be in a directory that is root's alone.
    nbdctl = daemon.workspace.file("nbdctl")
    _ = try ChildProcess.run(["cp", builtProgram("nbdctl"), nbdctl], within: .seconds(60))
    unsafe chmod(daemon.workspace.path, 0o755)
    let program = try start(["--version"])
    guard try program.wait() == 0 else {
      try Test.cancel("another user cannot run nbdctl here: \(program.errors)")
    }
  }

  func start(_ arguments: [String]) throws -> Program {
    let identity = ["--reuid", "65534", "--regid", "65534"] + groups + ["--"]
    return try daemon.workspace.start(
      [Tool.setpriv.rawValue] + identity + [nbdctl] + arguments,
      environment: ["NBDD_SOCKET": daemon.socket])
  }

  func run(_ arguments: [String]) throws -> Daemon.Outcome {
    let program = try start(arguments)
    return Daemon.Outcome(
      status: try program.wait(), output: program.output, errors: program.errors)
  }
}
