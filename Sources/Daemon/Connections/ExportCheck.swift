// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import NBD

/// Whether what a server offers after an outage is what the kernel was told about before.
nonisolated enum ExportCheck {
  /// What only the kernel relies on, by the name that a user knows.
  private static let promised: [(TransmissionFlags, String)] = [
    (.sendFlush, "flush"), (.sendFUA, "FUA"), (.sendTrim, "trim"),
    (.sendWriteZeroes, "write zeroes"),
  ]

  /// Finds what is missing; nil if the device can go on.
  static func flaw(
    _ export: Export, _ geometry: DeviceGeometry, isFirst: Bool
  ) -> Failure? {
    let told = TransmissionFlags(rawValue: geometry.flags)
    let size = UInt64(geometry.blockSize) * geometry.blockCount
    if export.sizeBytes < size {
      return lasting("the export has shrunk from \(size) to \(export.sizeBytes) bytes")
    }
    if export.flags.contains(.readOnly), !told.contains(.readOnly) {
      return lasting("the export has become read-only")
    }
    for (flag, name) in promised where told.contains(flag) && !export.flags.contains(flag) {
      return lasting("the server does not offer \(name) any more")
    }
    if let sizes = export.blockSizes {
      if sizes.minimum > geometry.blockSize {
        return lasting(
          "the server's minimum block size has grown from \(geometry.blockSize) to \(sizes.minimum)"
        )
      }
      if sizes.maximumPayload < geometry.blockSize {
        return lasting("the server takes no more than \(sizes.maximumPayload) bytes at a time")
      }
    }
    if !isFirst, !export.flags.contains(.canMultiConn) {
      return lasting("the server does not allow several connections any more")
    }
    return nil
  }

  private static func lasting(_ words: String) -> Failure {
    Failure(.negotiate, words, isPersistent: true)
  }
}
