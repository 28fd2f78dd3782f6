// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import ControlAPI

/// `nbdctl prepare-shutdown`.
struct PrepareShutdownCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prepare-shutdown",
    abstract: "Tell nbdd that the machine is going to shut down.",
    discussion: """
      From then on, requests to a server that has been silent for shutdownTimeout (nbdd.json) fail with \
      I/O errors, so that unmounting ends. nbdd-shutdown.service calls it.
      """)

  @OptionGroup var daemon: DaemonOptions

  mutating func run() throws {
    _ = try daemon.client().call(ControlMethod.prepareShutdown).value()
  }
}
