// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Base
internal import Glibc
internal import Linux

/// `nbdctl config`.
struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config",
    abstract: "Check and show nbdd's configuration, or print its schemas.",
    discussion: "These read files, and do not need a running nbdd.",
    subcommands: [ConfigCheckCommand.self, ConfigShowCommand.self, ConfigSchemaCommand.self])
}

/// `nbdctl config check`.
struct ConfigCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Print every fault of the configuration, or of one file for it.",
    discussion:
      "Ends with 78 if there are faults. A file may be anywhere; its name is the device's.")

  @Argument(
    help: ArgumentHelp("What to check (default: /etc/nbdd).", valueName: "DIRECTORY|FILE"),
    completion: .file())
  var path: String = "/etc/nbdd"

  mutating func run() throws {
    let problems = try NbddProgram.problems(in: path)
    for problem in problems { StandardStream.error.print("\(shown(problem))\n") }
    if !problems.isEmpty { throw ExitCode(EX_CONFIG) }
  }
}

/// `nbdctl config show`.
struct ConfigShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Print the configuration with all defaults, as JSON.",
    discussion: "What nbdd has in force is in `nbdctl status --json`.")

  @Argument(
    help: ArgumentHelp("What to show (default: /etc/nbdd).", valueName: "DIRECTORY|FILE"),
    completion: .file())
  var path: String = "/etc/nbdd"

  mutating func run() throws {
    let problems = try NbddProgram.problems(in: path)
    for problem in problems { StandardStream.error.print("\(shown(problem))\n") }
    guard problems.isEmpty else { throw ExitCode(EX_CONFIG) }
    try put(NbddProgram.run(["--config", path, "--show"]).output)
  }
}

/// `nbdctl config schema`.
struct ConfigSchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema",
    abstract: "Print the JSON Schema (2020-12) of a kind of file.")

  enum Kind: String, ExpressibleByArgument, CaseIterable { case device, nbdd }

  @Argument(help: "device: a file in devices.d; nbdd: nbdd.json.")
  var kind: Kind

  mutating func run() throws {
    let bytes =
      switch kind {
      case .device: PackageResources.device_schema_json
      case .nbdd: PackageResources.nbdd_schema_json
      }
    try put(String(decoding: bytes, as: UTF8.self))
  }
}
