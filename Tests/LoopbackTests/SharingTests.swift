// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import Testing
internal import Varlink

/// One export, one device; and one device, one export.
///
/// The servers say nothing, so a device that is being attached stays so.
struct SharingTests {
  private static let patient = #"{ defaults: { negotiationTimeout: "1h" } }"#

  /// Has a device attached by hand, and waits until that is under way.
  private func attach(
    _ name: String, _ uri: String, _ index: Int, _ more: String..., by daemon: Daemon
  ) throws {
    _ = try daemon.start(
      ["attach", uri, "--name", name, "--device", "nbd\(index)", "--wait", "1h"] + more)
    try eventually("\(name) to connect") { isConnecting(name, daemon) }
  }

  private func isConnecting(_ name: String, _ daemon: Daemon) -> Bool {
    (try? daemon.nbdctl("status", name))?.output.contains("connecting to ") == true
  }

  private func uri(_ socket: String) -> String { "nbd+unix:///?socket=\(socket)" }

  @Test func `a file does not lead what was attached by hand to another export`() throws {
    try Workspace.run { workspace in
      let socket = try workspace.responder("")
      let daemon = try Daemon(in: workspace, main: Self.patient)
      try attach("g", uri(socket), 9000, by: daemon)
      let before = try daemon.nbdctl("status", "--json").output
      try Daemon.declare("g", Daemon.device("nbd://other.invalid/"), in: workspace)
      try Daemon.declare("h", Daemon.device("nbd://h.invalid/", 9001), in: workspace)
      let outcome = try daemon.nbdctl("reload")
      #expect(outcome.status == 78)
      #expect(
        outcome.errors.contains(
          "/devices.d/g.json:1:10: uri: device g was attached by hand with another export, "
            + "\(uri(socket)); detach it first (nbdctl detach g), or rename this file\n"))
      #expect(try daemon.nbdctl("status", "--json").output == before)

      // The same export, whichever way its socket is found.
      unsafe symlink(socket, workspace.file("link"))
      try Daemon.declare("g", Daemon.device(uri(workspace.file("link"))), in: workspace)
      #expect(try daemon.nbdctl("reload").status == 0)
      #expect(try daemon.runtime("g")["source"]?.string == workspace.file("etc/devices.d/g.json"))
    }
  }

  @Test func `a file that comes back with another export does not either`() throws {
    try Workspace.run { workspace in
      let device = Daemon.device(uri(try workspace.responder("")))
      let daemon = try Daemon(in: workspace, ["g": device], main: Self.patient)
      try eventually("it to connect") { (try? daemon.state("g")) == "connecting" }
      removeDeclaration("g", in: workspace)
      #expect(try daemon.nbdctl("reload").status == 0)
      try Daemon.declare("g", Daemon.device("nbd://other.invalid/"), in: workspace)
      let outcome = try daemon.nbdctl("reload")
      #expect(outcome.status == 78)
      #expect(outcome.errors.contains("device g is attached (its file was removed) with another"))
      #expect(try daemon.runtime("g")["pendingKeys"] == nil)
      try Daemon.declare("g", device, in: workspace)
      #expect(try daemon.nbdctl("reload").status == 0)
      #expect(try daemon.runtime("g")["pending"]?.bool == false)
    }
  }

  @Test func `an export that is in use is not attached under another name`() throws {
    try Workspace.run { workspace in
      let socket = try workspace.responder("")
      let daemon = try Daemon(
        in: workspace, ["idle": Daemon.device(uri(socket), 9009, "autoAttach: false")],
        main: Self.patient)
      try attach("first", uri(socket), 9000, by: daemon)
      unsafe symlink(workspace.path, workspace.file("link"))
      let linked = uri(workspace.file("link/\(socket.split(separator: "/").last ?? "")"))
      for arguments in [
        ["attach", linked, "--name", "second", "--device", "nbd9001"],
        ["attach", linked, "--name", "second", "--device", "nbd9001", "--shared"],
        ["attach", linked, "--name", "second", "--device", "nbd9001", "--read-only"],
        ["attach", "idle"],
      ] {
        let program = try daemon.start(arguments)
        #expect(try program.wait() == 1)
        #expect(
          program.errors.contains(
            " is attached as device first already; detach first first: two devices with one "
              + "export corrupt its data, unless both have \"readOnly\": true, or \"shared\": true")
        )
      }
      #expect(try daemon.nbdctl("status", "second").status == 4)
      #expect(try daemon.state("idle") == "failed")

      try Daemon.declare("third", Daemon.device(linked, 9002), in: workspace)
      removeDeclaration("idle", in: workspace)
      let outcome = try daemon.nbdctl("reload")
      #expect(outcome.status == 78)
      #expect(
        outcome.errors.contains(
          "third.json:1:10: uri: this export is attached as device first already; detach first"))

      #expect(try daemon.nbdctl("detach", "first").status == 0)
      #expect(try daemon.nbdctl("reload").status == 0)
      try eventually("the third to connect") { isConnecting("third", daemon) }
    }
  }

  @Test(arguments: ["--shared", "--read-only"])
  func `an export is attached twice if both say that they know`(flag: String) throws {
    try Workspace.run { workspace in
      let uri = uri(try workspace.responder(""))
      let daemon = try Daemon(in: workspace, main: Self.patient)
      try attach("first", uri, 9000, flag, by: daemon)
      try attach("second", uri, 9001, flag, by: daemon)
    }
  }

  @Test func `an export that waits for the next attempt counts as in use`() throws {
    try Workspace.run { workspace in
      let (old, new) = (try workspace.responder(""), workspace.file("new"))
      let daemon = try Daemon(
        in: workspace, ["moving": Daemon.device(uri(old))], main: Self.patient)
      try eventually("it to connect") { (try? daemon.state("moving")) == "connecting" }
      try Daemon.declare("moving", Daemon.device(uri(new)), in: workspace)
      #expect(try daemon.nbdctl("reload").status == 0)
      for socket in [old, new] {
        let outcome = try daemon.nbdctl(
          "attach", uri(socket), "--name", "other", "--device", "nbd9001")
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("is attached as device moving already"))
        // Nor is it the device for who asks for the one or the other by its name.
        let named = try daemon.nbdctl(
          "attach", uri(socket), "--name", "moving", "--device", "nbd9000")
        #expect(named.errors.contains("moving is another device (nbd+unix:///?socket="))
      }
    }
  }

  private func removeDeclaration(_ name: String, in workspace: Workspace) {
    File.remove(workspace.file("etc/devices.d/\(name).json"))
  }
}
