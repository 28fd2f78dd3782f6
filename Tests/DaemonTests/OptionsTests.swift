// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing

@testable import Daemon

/// The command line of nbdd.
struct OptionsTests {
  @Test func `without arguments it runs with the usual directory`() throws {
    let options = try Options([])
    #expect(options.directory == "/etc/nbdd")
    #expect(options.socket == nil)
    #expect(options.mode == .run)
    #expect(options.keepsDevices)
  }

  @Test func `devices end with nbdd if the keeper is not wanted`() throws {
    #expect(try !Options(["--no-keeper", "--config", "/a"]).keepsDevices)
  }

  @Test func `ends a kept device by its name`() throws {
    #expect(try Options(["--fail", "db"]).mode == .fail("db"))
    #expect(try Options(["--helper", "settle db"]).mode == .helper)
  }

  @Test(arguments: [
    ["--config", "/a", "--socket", "/b"], ["--config=/a", "--socket=/b"],
    ["--socket=/b", "--config", "/a"], ["--config=/x", "--config=/a", "--socket=/b"],
  ])
  func `a value follows an option or stands behind an equals sign`(arguments: [String]) throws {
    let options = try Options(arguments)
    #expect(options.directory == "/a")
    #expect(options.socket == "/b")
    #expect(options.mode == .run)
  }

  @Test func `a value may contain an equals sign or look like an option`() throws {
    #expect(try Options(["--config=/a=b"]).directory == "/a=b")
    #expect(try Options(["--socket", "--check"]).socket == "--check")
  }

  @Test(arguments: [
    ("--check", Options.Mode.check), ("--show", .show), ("--help", .help), ("-h", .help),
    ("--version", .version),
  ])
  func `tells what to do`(argument: String, mode: Options.Mode) throws {
    #expect(try Options([argument]).mode == mode)
    #expect(try Options(["--config", "/a", argument]).mode == mode)
  }

  @Test(arguments: [
    (["--config"], "--config needs a value"),
    (["--config", ""], "--config needs a value"),
    (["--config="], "--config needs a value"),
    (["--socket"], "--socket needs a value"),
    (["--check", "--socket="], "--socket needs a value"),
    (["--check=no"], "--check takes no value"),
    (["--fail"], "--fail needs a value"),
    (["--no-keeper=yes"], "--no-keeper takes no value"),
    (["--help="], "--help takes no value"),
    (["--verbose"], "unknown argument '--verbose'"),
    (["--verbose=1"], "unknown argument '--verbose=1'"),
    (["/etc/nbdd"], "unknown argument '/etc/nbdd'"),
    (["--", "x"], "unknown argument '--'"),
    ([""], "unknown argument ''"),
    (["--conf", "/a"], "unknown argument '--conf'"),
    (["-c"], "unknown argument '-c'"),
  ])
  func `what makes no sense is refused in words`(arguments: [String], message: String) {
    #expect(throws: Options.Misuse(message: message)) { try Options(arguments) }
  }

  @Test(arguments: [
    "--config", "--socket", "--no-keeper", "--fail", "--check", "--show", "--version", "--help",
  ])
  func `the usage names every option`(option: String) {
    #expect(Options.usage.contains(option))
    #expect(Options.usage.split(separator: "\n").allSatisfy { $0.utf8.count <= 80 })
  }
}
