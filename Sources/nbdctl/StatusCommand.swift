// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Kernel
internal import Varlink

/// `nbdctl status`.
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show all devices, or one in detail.",
    discussion: "For one device the exit status is 3 if it is not attached.")

  @OptionGroup var connecting: Connecting
  @Argument(help: "Name of a device.")
  var name: String?
  @Flag(help: "Print JSON.")
  var json = false

  mutating func run() throws {
    let reply = try connecting.client().call("Status", .object(["name": name.map { JSON($0) }]))
    let devices = reply["devices"]?.array ?? []
    if json {
      let document: JSON = ["formatVersion": 1, "devices": JSON(devices)]
      print(document.indentedText + "\n", to: 1)
    } else if name == nil {
      print(DeviceTable.text(devices, isTerminal: Terminal.isTerminal), to: 1)
    } else {
      for device in devices { print(DeviceDetails.text(device), to: 1) }
    }
    if name != nil, devices.first?["runtime"]?["state"]?.string != "attached" {
      throw ExitCode(Failure.notAttached)
    }
  }
}
