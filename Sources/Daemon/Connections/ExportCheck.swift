// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import ControlAPI
internal import NBD

/// Checks whether an export after an outage is still what the kernel was told.
nonisolated enum ExportCheck {
  /// The features that the kernel relies on, with the names that users know.
  private static let promised: [(TransmissionFlags, String)] = [
    (.sendFlush, "flush"), (.sendFUA, "FUA"), (.sendTrim, "trim"),
    (.sendWriteZeroes, "write zeroes"),
  ]

  /// Returns what is missing; nil if the device can continue.
  static func flaw(
    _ export: Export, _ geometry: DeviceGeometry, isFirst: Bool
  ) -> Failure? {
    let told = TransmissionFlags(rawValue: geometry.flags)
    let size = UInt64(geometry.blockSize) * geometry.blockCount
    if export.sizeBytes < size {
      return persistent("the export has shrunk from \(size) to \(export.sizeBytes) bytes")
    }
    if export.flags.contains(.readOnly), !told.contains(.readOnly) {
      return persistent("the export has become read-only")
    }
    for (flag, name) in promised where told.contains(flag) && !export.flags.contains(flag) {
      return persistent("the server no longer offers \(name)")
    }
    if let sizes = export.blockSizes {
      if sizes.minimum > geometry.blockSize {
        return persistent(
          "the server's minimum block size has grown from \(geometry.blockSize) to \(sizes.minimum)"
        )
      }
      if sizes.maximumPayload < geometry.blockSize {
        return persistent("the server takes no more than \(sizes.maximumPayload) bytes at a time")
      }
    }
    if !isFirst, !export.flags.contains(.canMultiConn) {
      return persistent("the server no longer allows several connections")
    }
    return nil
  }

  private static func persistent(_ message: String) -> Failure {
    Failure(.negotiate, message, isPersistent: true)
  }
}
