// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import TestSupport
internal import Testing

/// What the programs print beside a real server, and nbdd's log, as files in Tests/Golden.
struct GoldenProgramTests {
  @Test(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing))
  func `list, info and map print what nbdkit offers`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("data", "@65536 1*32768", "size=1M", in: workspace)
      var text = ""
      for command in [["list"], ["info", "--no-content"], ["map"]] {
        let program = try workspace.start([builtProgram("nbdctl")] + command + [server.uri])
        #expect(try program.wait() == 0, "\(program.errors)")
        text += "$ nbdctl \(command.joined(separator: " ")) URI\n\(program.output)\n"
      }
      // These depend on the version of nbdkit, and on how long the workspace's path is.
      text.replace(#/ *(description|flags|block sizes): .*\n/#, with: "")
      text.replace(#/URI +DESCRIPTION/#, with: "URI  DESCRIPTION")
      #expect(Golden.difference(masked(text, workspace), from: "nbdkit.txt") == nil)
    }
  }

  @Test func `the log names who asked for what, and why an attempt failed`() throws {
    try Workspace.run { workspace in
      let uri = "nbd+unix:///?socket=\(workspace.file("none"))"
      let daemon = try Daemon(
        in: workspace, ["device": Daemon.device(uri, 9000, "autoAttach: false")])
      _ = try daemon.nbdctl("attach", "device")
      _ = try daemon.nbdctl("reconnect", "device")
      _ = try daemon.nbdctl("fail", "device")
      _ = try daemon.nbdctl("detach", "device")
      try eventually("the log") { daemon.program.errors.contains("detached") }
      _ = try daemon.nbdctl("reload")
      try eventually("the log") { daemon.program.errors.contains("reloaded") }
      // How many attempts there are, and whether there is a driver, depends on the machine.
      let lines = daemon.program.errors.split(separator: "\n")
        .filter { !$0.contains(/attempt [2-9]|nbd driver/) }
      let log = lines.map { "\($0)\n" }.joined().replacing(/pid \d+/, with: "pid …")
        .replacing(/uid \d+/, with: "uid …")
      #expect(Golden.difference(masked(log, workspace), from: "log.txt") == nil)
    }
  }

  private func masked(_ text: String, _ workspace: Workspace) -> String {
    text.replacing(workspace.file(""), with: "…/").replacing(#/ +\n/#, with: "\n")
  }
}
