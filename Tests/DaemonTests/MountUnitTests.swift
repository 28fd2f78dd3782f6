// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing

@testable import Daemon

/// The units of declared mounts, as nbdd-generator writes them.
struct MountUnitTests {
  private func unit(_ mount: String, _ others: String = "") throws -> MountUnit? {
    let text = "{ \"uri\": \"nbd://server/x\", \"mount\": \(mount)\(others) }"
    let device = try #require(try Setup().reading(text, in: "x.json").devices["x"])
    return MountUnit(device.configuration, file: "/etc/nbdd/devices.d/x.json")
  }

  @Test("says what is to be mounted, where and how")
  func text() throws {
    let mount = #"{ "path": "/srv/a b%1", "type": "ext4", "options": ["noatime"], "check": true }"#
    let unit = try #require(try unit(mount))
    #expect(unit.name == #"srv-a\x20b\x251.mount"#)
    #expect(unit.deviceUnit == #"dev-disk-by\x2did-nbd\x2dx.device"#)
    let check = #"systemd-fsck@dev-disk-by\x2did-nbd\x2dx.service"#
    #expect(
      unit.text == """
        # Made by nbdd-generator

        [Unit]
        Description=File system of the network block device x
        Documentation=man:nbdd(8)
        SourcePath=/etc/nbdd/devices.d/x.json
        After=nbdd.service
        Requires=\(check)
        After=\(check)

        [Mount]
        What=/dev/disk/by-id/nbd-x
        Where=/srv/a b%%1
        Type=ext4
        Options=_netdev,nofail,noatime
        TimeoutSec=infinity

        """)
    let readOnly = try #require(try self.unit(mount, ", \"readOnly\": true"))
    #expect(readOnly.text.contains("Options=_netdev,nofail,noatime,ro\n"))
    #expect(!readOnly.text.contains("fsck"))
  }

  @Test func `a partition, a limit for its device, and a unit without a file`() throws {
    let mount = #"{ "path": "/srv/x", "partition": 3, "deviceTimeout": "10min", "check": true }"#
    let unit = try #require(try unit(mount))
    #expect(unit.what == "/dev/disk/by-id/nbd-x-part3")
    #expect(unit.deviceUnit == #"dev-disk-by\x2did-nbd\x2dx\x2dpart3.device"#)
    #expect(
      unit.deviceText == "# Made by nbdd-generator\n\n[Unit]\nJobRunningTimeoutSec=600000ms\n")
    #expect(try #require(try self.unit(#"{ "path": "/srv/x" }"#)).deviceText == nil)
    #expect(
      unit.transientCommand == [
        "systemd-mount", "--quiet", "--collect", "--fsck=yes",
        "--description=File system of the network block device x", "--options=_netdev,nofail",
        "--property=After=nbdd.service", "--property=TimeoutSec=infinity", "--",
        "/dev/disk/by-id/nbd-x-part3", "/srv/x",
      ])
  }

  @Test(
    "names units as systemd-escape does",
    arguments: [
      ("/", "-"), ("/srv", "srv"), ("//srv///db/", "srv-db"), ("/a-b/c", #"a\x2db-c"#),
      ("/.hidden/x.y", #"\x2ehidden-x.y"#), ("/ü_:9", #"\xc3\xbc_:9"#), ("/a\\b", #"a\x5cb"#),
    ])
  func escaped(path: String, name: String) { #expect(MountUnit.escaped(path) == name) }

  @Test(
    "leaves to nbdd what systemd cannot do",
    arguments: [#"/srv/a\\b"#, #"/srv/a\u0009b"#, "/srv/a ", "/proc/self"])
  func unfit(path: String) throws { #expect(try unit("{ \"path\": \"\(path)\" }") == nil) }
}
