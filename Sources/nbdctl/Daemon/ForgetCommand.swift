// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Base
internal import ControlAPI
internal import Glibc
internal import Linux

/// `nbdctl forget`.
struct ForgetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forget",
    abstract: "Detach a device, and remove its file from the configuration.",
    discussion: "Fails, and changes nothing, while something holds the device.")

  @OptionGroup var daemon: DaemonOptions
  @Argument(
    help: ArgumentHelp("A name, nbdN, /dev/nbdN or a mount point.", valueName: "NAME"),
    completion: DeviceNames.completion)
  var target: String

  mutating func run() throws {
    let client = try daemon.client()
    let name = try client.name(for: target)
    let status = try client.call(ControlMethod.status, StatusParameters(name: name)).value()
    let file = status.devices.first?.runtime.source ?? ""
    if file.hasPrefix("/usr/") {
      throw Failure(
        "\(file) belongs to a package; nbdctl detach \(name), and a file of that name in /etc/nbdd/devices.d with "
          + "\"autoAttach\": false keep it away")
    }
    var parameters = DetachParameters()
    parameters.name = name
    for note in try client.call(ControlMethod.detach, parameters).value().notes {
      Terminal.note(note)
    }
    // One that was attached by its URI is forgotten by now.
    guard file.hasPrefix("/") else { return }
    do throws(SystemError) {
      try check("unlink \(file)") { unsafe unlink(file) }
    } catch {
      if error.errno != ENOENT { throw Failure("\(error)", error.errno == EACCES ? EX_NOPERM : 1) }
    }
    _ = try client.call(ControlMethod.reload).value()
  }
}
