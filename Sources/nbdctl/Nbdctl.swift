// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Base
internal import ControlAPI
internal import Glibc
internal import Linux
internal import Varlink

/// The command line of nbdctl.
@main
struct Nbdctl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nbdctl",
    abstract: "Attach, detach and watch the NBD devices that nbdd manages.",
    discussion: """
      Exit status: 0 done, or nothing to do; 1 failed; 2 `info` says no; 3 not attached; 4 no such \
      device; 64 usage; 69 nbdd or the server is unreachable; 70 invalid reply from nbdd; 75 timed out; \
      76 the server broke the protocol; 77 not permitted, or refused; 78 errors in the configuration.
      """,
    version: Version.text,
    subcommands: [
      AttachCommand.self, DetachCommand.self, StatusCommand.self, ReconnectCommand.self,
      FailCommand.self, ReloadCommand.self, PrepareShutdownCommand.self, WatchCommand.self,
      MetricsCommand.self, ConfigCommand.self, DoctorCommand.self, ImportCommand.self,
      ForgetCommand.self,
      ListCommand.self, InfoCommand.self, MapCommand.self, ReadCommand.self, BenchCommand.self,
    ])

  static func main() {
    signal(SIGPIPE, SIG_IGN)
    occupyStandardStreams()
    do {
      let arguments = arranged(Arguments.all.dropFirst())
      try Usage.check(
        command: arguments[0],
        among: configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"])
      var command = try parseAsRoot(arguments)
      try command.run()
    } catch let failure as Failure {
      StandardStream.error.print("nbdctl: \(failure.message)\n")
      exit(withError: ExitCode(failure.status))
    } catch {
      let status = exitCode(for: error)
      // A usage error repeats arguments; the rest is our own.
      if status.isSuccess { exit(withError: error) }
      let message = named(fullMessage(for: error))
      if !message.isEmpty { StandardStream.error.print("\(shownLines(message))\n") }
      exit(withError: status)
    }
  }
}

extension Nbdctl {
  /// Returns a message of the parser, changed to begin like our own.
  static func named(_ message: String) -> String {
    let prefix = "Error: "
    return message.hasPrefix(prefix) ? "nbdctl: \(message.dropFirst(prefix.count))" : message
  }

  /// Opens standard streams that are closed: a socket of ours must not become standard output.
  ///
  /// Writing to them still fails.
  private static func occupyStandardStreams() {
    for stream in 0...2 as ClosedRange<CInt> where fcntl(stream, F_GETFD) < 0 {
      // The lowest number that is free, which is this one.
      _ = unsafe open("/dev/null", O_RDONLY)
    }
  }

  /// Returns the arguments with `--socket` after the command, where it is allowed too, and with
  /// `status` if there is no command.
  ///
  /// A default subcommand would do the latter as well, but would take a misspelt command for the
  /// name of a device.
  static func arranged(_ arguments: some Sequence<String>) -> [String] {
    var rest = Array(arguments)
    var socket: [String] = []
    if rest.first?.hasPrefix("--socket=") == true {
      socket = [rest.removeFirst()]
    } else if rest.first == "--socket", rest.count > 1 {
      socket = Array(rest.prefix(2))
      rest.removeFirst(2)
    }
    let command = rest.isEmpty ? "status" : rest.removeFirst()
    return [command] + socket + rest
  }
}

/// How the daemon is reached.
struct DaemonOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The control socket of nbdd (default: $NBDD_SOCKET, or \(ControlInterface.defaultSocketPath)).",
      valueName: "PATH"),
    completion: .file())
  var socket: String?

  func client() throws(Failure) -> Client {
    try Client(path: socket ?? Self.usualSocket)
  }

  /// The control socket if none is given.
  static var usualSocket: String {
    Environment["NBDD_SOCKET"] ?? ControlInterface.defaultSocketPath
  }
}
