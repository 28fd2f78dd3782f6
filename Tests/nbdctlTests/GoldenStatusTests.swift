// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
internal import TestSupport
internal import Testing

@testable import nbdctl

/// What `status` and `watch` print about devices, as files in Tests/Golden.
struct GoldenStatusTests {
  @Test func `a table of devices`() {
    let devices = Sample.devices
    let tables = [
      DeviceTable.text(devices, width: nil),
      DeviceTable.text(devices, width: 72, hasColor: false),
      DeviceTable.text(devices, width: .max, hasColor: true)
        .split(separator: "\u{1B}").joined(separator: "<ESC>"),
      DeviceTable.text([], width: nil),
    ]
    #expect(Golden.difference(tables.joined(separator: "\n"), from: "status.txt") == nil)
  }

  @Test func `devices in detail`() {
    let details = Sample.devices.map { device in
      let unit =
        device.runtime.mount == nil
        ? nil : UnitState("srv-\(device.context.name).mount: inactive (dead)")
      return DeviceDetails.text(device, mountUnit: unit, now: Sample.now)
    }
    #expect(
      Golden.difference(details.joined(separator: "\n"), from: "status-details.txt") == nil)
  }

  @Test func `events, of which some have nothing new`() {
    var log = WatchLog()
    var text = ""
    for event in Sample.events {
      let lines = log.lines(for: event).map { "  \($0)\n" }.joined()
      text += "\(event.event.rawValue) \(event.name ?? "-")\n\(lines)"
    }
    #expect(Golden.difference(text, from: "watch.txt") == nil)
  }
}
