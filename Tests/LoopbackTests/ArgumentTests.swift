// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Testing
internal import TestSupport

/// What nbdctl says of arguments that it cannot take, before it talks to anybody.
struct ArgumentTests {
  /// The arguments, and the one line that comes of them.
  static let slips: [(arguments: String, message: String)] = [
    ("atach db", "there is no command 'atach'; did you mean 'attach'?"),
    ("mount db", "there is no command 'mount'; nbdctl --help lists the commands"),
    (
      "attach db --wait 5",
      "--wait 5: a time is a number and a unit, for example 500ms, 30s or 5min"
    ),
    (
      "attach nbd://a/ --device sda",
      "--device sda: expected a device of the nbd driver, for example nbd3 or /dev/nbd3"
    ),
    (
      "info 10.0.0.7:10810",
      "10.0.0.7:10810: '://' is expected after the scheme (at character 8); "
        + "did you mean nbd://10.0.0.7:10810/?"
    ),
    (
      "attach nbd:unix:/run/s:exportname=db --name db",
      "nbd:unix:/run/s:exportname=db: '://' is expected after the scheme (at character 3); "
        + "did you mean nbd+unix:///db?socket=/run/s?"
    ),
    (
      "info nbd://a/ --timeout 5",
      "--timeout 5: a time is a number and a unit, for example 500ms, 30s or 5min"
    ),
  ]

  @Test(arguments: slips)
  func `are refused with what would be right`(_ arguments: String, _ message: String) throws {
    try Workspace.run { workspace in
      let program = try workspace.start(
        [builtProgram("nbdctl")] + arguments.split(separator: " ").map(String.init),
        environment: ["NBDD_SOCKET": workspace.file("none")])
      #expect(try program.wait() == 64)
      #expect(program.errors == "nbdctl: \(message)\n")
      #expect(program.output.isEmpty)
    }
  }
}
