// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI
internal import Dispatch
internal import Glibc
internal import Keeper
internal import Linux
internal import Varlink

/// The daemon, from its command line to its end.
package enum Program {
  /// Runs the program; returns only if the command line asks for something that ends at once.
  package static func main() {
    if Generator.isCalled { return Generator.main() }
    let options: Options
    do throws(Options.Misuse) {
      options = try Options(Arguments.all.dropFirst())
    } catch {
      StandardStream.error.print("nbdd: \(shown(error.message))\n\n\(Options.usage)")
      exit(EX_USAGE)
    }
    switch options.mode {
    case .help: StandardStream.output.print(Options.usage)
    case .version: StandardStream.output.print("nbdd \(Version.text)\n")
    case .check: check(options.directory)
    case .show: show(options.directory)
    case .fail(let name): fail(name, options)
    case .helper: Helper.main()
    case .run: run(options)
    }
  }

  /// Ends a kept device; users of it get I/O errors.
  private static func fail(_ name: String, _ options: Options) {
    do throws(SystemError) {
      let keeper = try KeeperClient(at: keeperPath(socketPath(options)))
      guard try keeper.list().contains(where: { $0.name == name }) else {
        StandardStream.error.print("nbdd: nbdd-keeper has no device '\(shown(name))'\n")
        exit(EX_USAGE)
      }
      try keeper.end(name, after: .zero)
    } catch {
      StandardStream.error.print("nbdd: nbdd-keeper cannot be asked: \(error)\n")
      exit(EX_UNAVAILABLE)
    }
  }

  private static func socketPath(_ options: Options) -> String {
    options.socket ?? Environment["NBDD_SOCKET"] ?? ControlInterface.defaultSocketPath
  }

  /// Each nbdd has a keeper of its own, so that a second one does not take the devices of the first.
  private static func keeperPath(_ socketPath: String) -> String { "\(socketPath).keeper" }

  private static func check(_ path: String) {
    let configuration = Configuration.read(path)
    refuse(configuration.problems)
    let count = configuration.devices.count
    StandardStream.output.print(
      "\(path): \(count) \(count == 1 ? "device" : "devices"), no faults\n")
  }

  private static func show(_ directory: String) {
    let configuration = Configuration.read(directory)
    StandardStream.output.print("\(configuration.json.indentedText)\n")
    refuse(configuration.problems)
  }

  /// Ends the program if there are problems.
  private static func refuse(_ problems: [Problem]) {
    for problem in problems { StandardStream.error.print("\(shown(problem.description))\n") }
    if !problems.isEmpty { exit(EX_CONFIG) }
  }

  private static func run(_ options: Options) {
    #if TEST_SWITCHES
      TestSwitches.warn()
    #endif
    MemoryPressure.prepare()
    signal(SIGPIPE, SIG_IGN)
    // Some three for each device with one connection, and one more for each further connection.
    Descriptor.raiseLimit()
    let path = socketPath(options)
    let manager = Manager(
      directory: options.directory, keeperPath: options.keepsDevices ? keeperPath(path) : nil)
    do throws(SystemError) {
      service = try ControlService(manager, path: path)
    } catch {
      let hint = error.errno == EADDRINUSE ? "; another nbdd is already listening there" : ""
      Journal.error("cannot listen for commands: \(error)\(hint)")
      end(1)
    }
    Loop.onSignal(SIGTERM) { manager.stop() }
    Loop.onSignal(SIGINT) { manager.stop() }
    Loop.onSignal(SIGUSR2) { manager.leave() }
    // The faults are in the log.
    Loop.onSignal(SIGHUP) { _ = try? manager.reload(askedForBy: "SIGHUP") }
    manager.start()
    ServiceManager.startWatchdog()
    ServiceManager.ready()
    dispatchMain()
  }

  /// Ends the process; the last messages get a second to arrive.
  static func end(_ status: Int32) -> Never {
    let deadline = ContinuousClock.now + .seconds(1)
    Journal.drain(until: deadline)
    ServiceManager.drain(until: deadline)
    exit(status)
  }

  // Kept for the life of the process.
  private static var service: ControlService?
}
