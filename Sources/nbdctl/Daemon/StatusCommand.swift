// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Linux
internal import Varlink

/// `nbdctl status`.
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show all devices, or one in detail.",
    discussion: """
      For one device the exit status is 3 if it is not attached, or if its declared mount is missing.
      """)

  @OptionGroup var connecting: DaemonOptions
  @Argument(
    help: "A name, nbdN, /dev/nbdN or a mount point.", completion: DeviceNames.completion)
  var name: String?
  @Flag(help: "Print JSON.")
  var json = false

  mutating func run() throws {
    let client = try connecting.client()
    let name = try name.map { name throws(Failure) in try client.name(for: name) }
    let reply = try client.call("Status", .object(["name": name.map { JSON($0) }]))
    let devices = reply["devices"]?.array ?? []
    if json {
      try put(reply.document)
    } else if name == nil {
      try put(DeviceTable.text(devices, width: Terminal.width))
    } else {
      for device in devices { try put(DeviceDetails.text(device)) }
    }
    if name != nil, devices.first.map(Self.isUsable) != true { throw ExitCode(Failure.notAttached) }
  }

  private static func isUsable(_ device: JSON) -> Bool {
    let runtime = device["runtime"]
    return runtime?["state"]?.string == "attached" && runtime?["mount"]?["mounted"]?.bool != false
  }
}
