// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The command line of nbdd.
nonisolated struct Options: Sendable, Equatable {
  var directory = Configuration.defaultDirectory
  var socket: String?
  var mode = Mode.run

  /// Devices outlive nbdd.
  var keepsDevices = true

  enum Mode: Sendable, Equatable { case run, check, show, help, version, helper, fail(String) }

  static let usage = """
    Usage: nbdd [--config DIR] [--socket PATH] [--no-keeper]
           nbdd [--config DIR|FILE] --check
           nbdd [--config DIR] --show
           nbdd [--socket PATH] --fail NAME

    Keeps network block devices attached, as its configuration says.

      --config DIR   directory with nbdd.json and devices.d (default /etc/nbdd)
      --socket PATH  control socket (default /run/nbdd/org.nbdd, or $NBDD_SOCKET)
      --no-keeper    devices end with nbdd: no nbdd-keeper holds them
      --fail NAME    end a device that nbdd-keeper holds, if nbdd cannot run
      --check        check the configuration or one file, print every fault, and end
      --show         print the configuration with all defaults as JSON, and end
      --version      print the version
      --help         print this

    """

  private static let flags = ["--check", "--show", "--help", "--version", "--no-keeper"]

  /// An error in the command line, for people.
  struct Misuse: Error, Equatable {
    var message: String
  }

  init(_ arguments: some Sequence<String>) throws(Misuse) {
    var rest = arguments.makeIterator()
    while let argument = rest.next() {
      let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let value = { () throws(Misuse) -> String in
        guard let value = parts.count > 1 ? String(parts[1]) : rest.next(), !value.isEmpty else {
          throw Misuse(message: "\(parts[0]) needs a value")
        }
        return value
      }
      switch parts.first {
      case "--config": directory = try value()
      case "--socket": socket = try value()
      case let flag? where parts.count > 1 && Self.flags.contains(String(flag)):
        throw Misuse(message: "\(flag) takes no value")
      case "--no-keeper": keepsDevices = false
      case "--fail": mode = .fail(try value())
      case "--check": mode = .check
      case "--show": mode = .show
      // For nbdd itself; the value is for whoever looks at the list of processes.
      case "--helper":
        _ = try value()
        mode = .helper
      case "--help", "-h": mode = .help
      case "--version": mode = .version
      default: throw Misuse(message: "unknown argument '\(argument)'")
      }
    }
  }
}
