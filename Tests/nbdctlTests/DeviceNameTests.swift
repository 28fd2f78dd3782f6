// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import ControlAPI
import Testing

@testable import nbdctl

/// What people call a device.
struct DeviceNameTests {
  private static let devices = [
    device("db", "/dev/nbd0", mount: "/srv/db"), device("nbd0", "/dev/nbd7", mount: nil),
  ]

  private static func device(_ name: String, _ node: String, mount: String?) -> DeviceStatus {
    var status = DeviceStatus()
    status.context.name = name
    status.runtime.device = node
    status.runtime.partitions = ["\(node)p1"]
    status.runtime.mount = mount.map { path in
      var mount = MountStatus()
      mount.path = path
      return mount
    }
    return status
  }

  @Test(arguments: [
    ("db", "db"), ("/dev/nbd0", "db"), ("/dev/nbd0p1", "db"), ("/srv/db", "db"),
    ("nbd7", "nbd0"), ("nbd9", "nbd9"), ("/srv/other", "/srv/other"),
    // A name goes before a node: db has /dev/nbd0.
    ("nbd0", "nbd0"),
  ])
  func `a name, nbdN, a node or a mount point names a device`(text: String, name: String) {
    #expect(Client.name(for: text, among: Self.devices) == name)
  }
}
