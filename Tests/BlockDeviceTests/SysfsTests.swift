// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import BlockDevice
import Linux
import Testing

/// Names of kernel devices.
struct SysfsTests {
  @Test(arguments: [
    ("nbd0", 0), ("nbd9", 9), ("nbd10", 10), ("/dev/nbd0", 0), ("/dev/nbd255", 255),
    ("nbd32767", 32767),
  ])
  func `takes the index from a name or a node`(name: String, index: Int) {
    #expect(Sysfs.index(of: name) == index)
    #expect(Sysfs.index(of: name[...]) == index)
  }

  @Test(arguments: [
    "", "nbd", "/dev/nbd", "/dev/", "nbd00", "nbd01", "nbd-1", "nbd+1", "nbd 1", "nbd1 ", "nbd1p1",
    "/dev/nbd1p2", "NBD1", "sda", "/dev/sda", "dev/nbd1", "//dev/nbd1", "/dev//nbd1", "/sys/nbd1",
    "nbd32768", "nbd4294967296", "nbd99999999999999999999", "nbd\u{663}", "nbd1\u{301}",
    "nbd1\u{0}", "/dev/disk/by-id/nbd1",
  ])
  func `takes nothing else for a device`(name: String) {
    #expect(Sysfs.index(of: name) == nil)
  }

  @Test func `a device that does not exist is free, has no size and nothing on it`() {
    // Far beyond what the driver can have.
    let index = 1_000_000
    #expect(Sysfs.isFree(index))
    #expect(Sysfs.attacher(of: index) == nil)
    #expect(Sysfs.sizeBytes(of: index) == 0)
    #expect(Sysfs.partitions(of: index) == [])
    #expect(Sysfs.stackedDevices(on: index) == [])
    #expect(Sysfs.deviceNumbers(of: index) == [])
    #expect(!Sysfs.isNetlink(index))
    #expect(Sysfs.sequence(of: index) == nil)
    #expect(Sysfs.queue("scheduler", of: index) == nil)
    #expect(!Sysfs.devices().contains(index))
  }

  @Test func `a queue setting of a device that does not exist is an error that names the file`() {
    let error = #expect(throws: SystemError.self) {
      try Sysfs.setQueue("scheduler", "none", of: 1_000_000)
    }
    #expect(
      error?.description
        == "open /sys/block/nbd1000000/queue/scheduler: No such file or directory")
  }
}
