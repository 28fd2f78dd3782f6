// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
package import Linux

/// A partition table that the kernel ignores because of how the driver was loaded.
package enum PartitionTable {
  package static let neglected =
    "there is a partition table, but the nbd driver was loaded with max_part=0, so the kernel makes no "
    + "partitions; detach all devices and load it again (modprobe -r nbd; modprobe nbd), or use "
    + "kpartx(8)"

  /// Reads the first two blocks of a device; also returns false if they cannot be read.
  package static func isOn(_ node: Descriptor, _ blockSize: UInt32) -> Bool {
    var bytes = [UInt8](repeating: 0, count: Int(blockSize) * 2)
    let count = unsafe bytes.withUnsafeMutableBytes {
      unsafe pread(node.number, $0.baseAddress, $0.count, 0)
    }
    return count >= 512 && isIn(Array(bytes.prefix(count)), blockSize: Int(blockSize))
  }

  /// Whether there is a GPT or an MBR in a device's first two blocks.
  ///
  /// The boot sector of a file system has the same signature as an MBR, but code where the
  /// partitions would be.
  static func isIn(_ bytes: [UInt8], blockSize: Int) -> Bool {
    if bytes.dropFirst(blockSize).starts(with: Array("EFI PART".utf8)) { return true }
    guard bytes.count >= 512, bytes[510] == 0x55, bytes[511] == 0xAA else { return false }
    let entries = (0..<4).map { bytes[(446 + 16 * $0)..<(462 + 16 * $0)] }
    let isSound = entries.allSatisfy { $0.first == 0 || $0.first == 0x80 }
    // Its type, and its number of sectors.
    let isUsed = entries.contains {
      $0[$0.startIndex + 4] != 0 && $0.suffix(4).contains { $0 != 0 }
    }
    return isSound && isUsed
  }
}
