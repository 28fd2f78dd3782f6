// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import ControlAPI
internal import Linux

/// `nbdctl status`.
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show all devices, or one in detail.",
    discussion: """
      For one device, the exit status is 3 if it is not attached or its declared mount is missing.
      """)

  @OptionGroup var daemon: DaemonOptions
  @Argument(
    help: ArgumentHelp("A name, nbdN, /dev/nbdN or a mount point.", valueName: "NAME"),
    completion: DeviceNames.completion)
  var name: String?
  @Flag(help: "Print JSON.")
  var json = false

  mutating func run() throws {
    let client = try daemon.client()
    let name = try name.map { name throws(Failure) in try client.name(for: name) }
    let response = try client.call(ControlMethod.status, StatusParameters(name: name))
    if json { try put(response.document) }
    let devices = try response.value().devices
    if !json { try put(text(devices)) }
    if name != nil, devices.first.map(Self.isUsable) != true { throw ExitCode(Failure.notAttached) }
  }

  private func text(_ devices: [DeviceStatus]) -> String {
    guard name != nil else { return DeviceTable.text(devices, width: Terminal.width) }
    return devices.map { device in
      let unit = device.runtime.mount?.unit.flatMap(UnitState.init(of:))
      return DeviceDetails.text(device, mountUnit: unit, now: Clocks.realtime)
    }.joined()
  }

  private static func isUsable(_ device: DeviceStatus) -> Bool {
    device.runtime.state == .attached && device.runtime.mount?.mounted != false
  }
}
