// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Glibc
internal import Kernel

/// The command line of nbdctl.
@main
struct Nbdctl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nbdctl",
    abstract: "Attach, detach and watch the network block devices that nbdd keeps.",
    discussion: """
      Exit status: 0 done, or already so; 1 failed; 3 known but not attached; 4 no such device; \
      64 usage; 69 nbdd cannot be reached; 70 nbdd answered nonsense; 75 the time has passed; \
      77 not allowed; 78 faults in the configuration.
      """,
    version: "0.1.0",
    subcommands: [
      AttachCommand.self, DetachCommand.self, StatusCommand.self, ReloadCommand.self,
      WatchCommand.self,
    ])

  static func main() {
    signal(SIGPIPE, SIG_IGN)
    do {
      let arguments = Array(CommandLine.arguments.dropFirst())
      // Not as a default subcommand: a misspelt command would be taken for a device's name.
      var command = try parseAsRoot(arguments.isEmpty ? ["status"] : arguments)
      try command.run()
    } catch let failure as Failure {
      print("nbdctl: \(failure.message)\n", to: 2)
      exit(withError: ExitCode(failure.status))
    } catch {
      exit(withError: error)
    }
  }
}

/// How the daemon is reached.
struct Connecting: ParsableArguments {
  @Option(help: "nbdd's control socket (default: $NBDD_SOCKET, or /run/nbdd/org.nbdd).")
  var socket: String?

  func client() throws(Failure) -> Client {
    try Client(path: socket ?? environmentValue("NBDD_SOCKET") ?? "/run/nbdd/org.nbdd")
  }
}
