// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import Glibc
internal import Linux
internal import NBD

/// Values of arguments and options.
enum Usage {
  static func duration(_ option: String, _ text: String) throws(Failure) -> Duration {
    guard let time = Quantities.duration(text), time > .zero else {
      throw Failure(
        "\(option) \(shown(text)): a time is a number and a unit, for example 500ms, 30s or 5min",
        EX_USAGE)
    }
    return time
  }

  static func uri(
    _ text: String, allowing permissions: URI.Permissions = .usual
  ) throws(Failure) -> URI {
    do throws(URIError) {
      return try URI(parsing: text, allowing: permissions)
    } catch {
      throw Failure("\(shown(text)): \(error)", EX_USAGE)
    }
  }

  /// Returns the name of a kernel device, as nbdd accepts it.
  static func kernelDevice(_ option: String, _ text: String) throws(Failure) -> String {
    guard Sysfs.index(of: text) != nil else {
      throw Failure(
        "\(option) \(shown(text)): expected a device of the nbd driver, for example nbd3 or /dev/nbd3",
        EX_USAGE)
    }
    return text
  }

  /// Throws for a command that does not exist.
  static func check(command: String, among commands: [String]) throws(Failure) {
    guard !command.hasPrefix("-"), !commands.contains(command) else { return }
    let near = Likeness.closest(to: command, among: commands)
    let hint = near.map { "did you mean '\($0)'?" } ?? "nbdctl --help lists the commands"
    throw Failure("there is no command '\(shown(command))'; \(hint)", EX_USAGE)
  }
}
