// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Kernel
internal import Testing

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
}

/// A user without rights, who has nbdctl.
struct Nobody {
  private let daemon: Daemon
  private let nbdctl: String

  /// Cancels the test if such a user cannot run programs of this package.
  init(of daemon: Daemon) throws {
    self.daemon = daemon
    // The package may be in a directory that is root's alone.
    nbdctl = daemon.workspace.file("nbdctl")
    _ = try Command.run(["cp", Tool.built("nbdctl"), nbdctl], within: .seconds(60))
    unsafe chmod(daemon.workspace.path, 0o755)
    let program = try start(["--version"])
    guard try program.wait() == 0 else {
      try Test.cancel("another user cannot run nbdctl here: \(program.errors)")
    }
  }

  func start(_ arguments: [String]) throws -> Program {
    let identity = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]
    return try daemon.workspace.start(
      [Tool.setpriv.rawValue] + identity + [nbdctl] + arguments,
      environment: ["NBDD_SOCKET": daemon.socket])
  }
}
