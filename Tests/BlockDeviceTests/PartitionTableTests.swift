// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing

@testable import BlockDevice

/// What is taken for a partition table, and what only looks like one.
struct PartitionTableTests {
  private func sector(_ entries: [UInt8], signature: [UInt8] = [0x55, 0xAA]) -> [UInt8] {
    let entries = entries + Array(repeating: 0, count: 64 - entries.count)
    return Array(repeating: 0, count: 446) + entries + signature + Array(repeating: 0, count: 512)
  }

  // Not active, from head 0, Linux, to the end, from sector 2048, 8 sectors.
  private static let entry: [UInt8] = [0, 0, 2, 0, 0x83, 0, 9, 0, 0, 8, 0, 0, 8, 0, 0, 0]

  @Test func `an MBR with a partition is one`() {
    #expect(PartitionTable.isIn(sector(Self.entry), blockSize: 512))
    let empty = Array(repeating: UInt8(0), count: 48)
    #expect(PartitionTable.isIn(sector(empty + Self.entry), blockSize: 512))
  }

  @Test(arguments: [512, 4096])
  func `a GPT is one, in the second block`(blockSize: Int) {
    var bytes = [UInt8](repeating: 0, count: 2 * blockSize)
    bytes.replaceSubrange(blockSize..<blockSize + 8, with: Array("EFI PART".utf8))
    #expect(PartitionTable.isIn(bytes, blockSize: blockSize))
    #expect(!PartitionTable.isIn(bytes, blockSize: blockSize / 2))
  }

  @Test func `an empty MBR, a boot sector, and nothing are none`() {
    #expect(!PartitionTable.isIn(sector([]), blockSize: 512))
    #expect(!PartitionTable.isIn(sector(Self.entry, signature: [0, 0]), blockSize: 512))
    // Code of a FAT boot sector where the first entry would be.
    #expect(!PartitionTable.isIn(sector([0xCD, 0x10] + Self.entry.dropFirst(2)), blockSize: 512))
    #expect(!PartitionTable.isIn(Array(repeating: 0, count: 1024), blockSize: 512))
    #expect(!PartitionTable.isIn(Array(sector(Self.entry).prefix(511)), blockSize: 512))
    #expect(!PartitionTable.isIn([], blockSize: 512))
  }
}
