// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing

@testable import BlockDevice

/// What is mounted, as the kernel tells it.
struct MountTableTests {
  @Test func `reads paths whatever they are made of`() {
    // The kernel escapes blanks, line breaks and backslashes, and nothing else.
    let text = """
      22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
      30 22 43:0 / /mnt/a\\040b\\012c rw - ext4 /dev/nbd0 rw
      31 22 43:1 / /mnt/d\r rw - ext4 /dev/nbd\\0401 rw\r
      32 22 43:2 / \u{301}e rw - ext4 /dev/nbd2 rw
      33 22 43:3 / /mnt/d\r rw shared:2 master:1 - fuse - rw
      34 22 43:4 /
      """
    let table = MountTable(Array(text.utf8))
    #expect(
      table.entries.map(\.path) == ["/", "/mnt/a b\nc", "/mnt/d\r", "\u{301}e", "/mnt/d\r"])
    #expect(table.entry(at: "/mnt/d\r")?.number == "43:3")
    #expect(table.entries[2].source == "/dev/nbd 1")
    #expect(table.entry(at: "/mnt/d") == nil)
  }

  @Test func `finds a Btrfs by its device, because it has a number of its own`() {
    // Far beyond what the driver can have.
    let text = """
      31 22 0:40 / /mnt rw - btrfs /dev/nbd1000000 rw
      32 22 0:40 /sub /mnt/sub rw - btrfs /dev/nbd1000000 rw
      33 22 0:41 / /other rw - btrfs /dev/nbd100000 rw
      34 22 0:42 / /by-name rw - tmpfs /dev/nbd1000000 rw
      """
    #expect(MountTable(Array(text.utf8)).paths(of: 1_000_000) == ["/mnt", "/mnt/sub"])
  }

  @Test func `knows what else a mount holds, and whether it goes when another goes`() {
    let text = """
      30 22 43:64 / /srv rw shared:7 - ext4 /dev/nbd2 rw
      31 30 43:96 / /srv/db rw shared:8 - ext4 /dev/nbd3 rw
      32 22 43:96 / /srv2 rw,relatime master:7 propagate_from:3 - ext4 /dev/nbd3 rw
      33 22 0:50 / /merged rw - overlay overlay rw,lowerdir=/a:/srv/low,upperdir=/up,workdir=/work
      34 22 0:51 / /other rw - overlay overlay rw,lowerdir=/srv2/x,upperdir=/up
      """
    let table = MountTable(Array(text.utf8))
    #expect(table.paths(below: "/srv") == ["/srv/db"])
    #expect(table.paths(below: "/") == ["/srv", "/srv/db", "/srv2", "/merged", "/other"])
    #expect(table.overlays(over: "/srv") == ["/merged"])
    #expect(table.overlays(over: "/up") == ["/merged", "/other"])
    #expect(table.overlays(over: "/workspace") == [])
    #expect(table.entries.map(\.group) == ["7", "8", nil, nil, nil])
    #expect(table.entries.map(\.followedGroup) == [nil, nil, "7", nil, nil])
  }

  @Test func `finds what is mounted here`() throws {
    #expect(try #require(MountTable().entry(at: "/proc")).source == "proc")
  }
}
