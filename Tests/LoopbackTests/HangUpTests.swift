// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import Testing
internal import Varlink

/// Servers that hang up on an option they do not know, where they should refuse it.
@Suite(
  .enabled(
    if: Tool.nbdkit.isInstalled && Tool.python.isInstalled,
    "needs nbdkit and python3: apt-get install nbdkit python3"))
struct HangUpTests {
  @Test(arguments: [["11"], ["11", "8"]])
  func `are asked once more without it`(_ options: [String]) throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("data", "@65536 1*32768", "size=1M", in: workspace)
      let uri = try server.throughMan("hang-up-\(options.joined(separator: ","))", in: workspace)
      let told = try nbdctl(["info", uri], workspace)
      #expect(told.status == 0, "\(told.errors)")
      #expect(told.output.contains("size: 1 MiB"))
      #expect(told.output.contains(options == ["11"] ? "structured replies" : "simple replies"))
      #expect(
        told.errors.contains(
          "nbdctl: the server hung up on option EXTENDED_HEADERS, and was asked again without it\n")
      )
      let copy = workspace.file("copy")
      #expect(try nbdctl(["read", uri, "--output", copy], workspace).status == 0)
      #expect(try File.bytes(of: copy)[65536..<98304].allSatisfy { $0 == 1 })
      #expect(try nbdctl(["list", uri], workspace).status == 0)

      // The kernel device is what it has not got, so it has agreed with the server.
      let daemon = try Daemon(
        in: workspace, ["device": Daemon.device(uri, 9000, "autoAttach: false")])
      let outcome = try daemon.nbdctl("attach", "device")
      #expect(outcome.errors.contains("/dev/nbd9000: No such file"), "\(outcome.errors)")
    }
  }

  @Test(arguments: ["9", "10"])
  func `are shown without what they do not know of metadata contexts`(_ option: String) throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("memory", "1M", in: workspace)
      let uri = try server.throughMan("hang-up-\(option)", in: workspace)
      let command = option == "9" ? "info" : "map"
      let told = try nbdctl([command, uri], workspace)
      #expect(told.status == 0, "\(told.errors)")
      #expect(told.errors.contains("hung up on option "))
    }
  }

  @Test func `are told about if they hang up whatever they are asked`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("memory", "1M", in: workspace)
      let uri = try server.throughMan("hang-up-6,7,8,11", in: workspace)
      let told = try nbdctl(["info", uri], workspace)
      #expect(told.status == 69)
      #expect(told.errors.hasPrefix("nbdctl: option INFO: "), "\(told.errors)")
    }
  }
}

extension Server {
  /// A URI that leads to the server by way of somebody who meddles.
  func throughMan(_ mode: String, in workspace: Workspace) throws -> String {
    let script = #filePath.replacing("HangUpTests.swift", with: "man_in_the_middle.py")
    let socket = workspace.file("man.sock")
    let man = try workspace.start([
      "python3", script, socket, workspace.file("nbdkit.sock"), workspace.file("record"), mode,
    ])
    try eventually("the man in the middle of \(address)") { man.output.contains("ready") }
    return uri.replacing(workspace.file("nbdkit.sock"), with: socket)
  }
}
