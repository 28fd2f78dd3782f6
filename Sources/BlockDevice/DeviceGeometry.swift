// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// What the driver must know before it starts.
package struct DeviceGeometry: Sendable, Equatable {
  /// A power of two from 512 to the page size.
  package var blockSize: UInt32
  package var blockCount: UInt64
  /// Transmission flags as the server sent them.
  package var flags: UInt16
  /// How long a request may wait for its reply; 0 only if the caller replies to every request itself,
  /// because without a limit a dead connection can hold tasks for ever.
  package var requestTimeoutSeconds: UInt32

  package init(
    blockSize: UInt32, blockCount: UInt64, flags: UInt16, requestTimeoutSeconds: UInt32
  ) {
    self.blockSize = blockSize
    self.blockCount = blockCount
    self.flags = flags
    self.requestTimeoutSeconds = requestTimeoutSeconds
  }
}
