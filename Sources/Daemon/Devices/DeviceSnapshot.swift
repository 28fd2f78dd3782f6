// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import NBD

/// The status of a device at one moment, combined from its lifecycle and its connections.
///
/// While a device is attached, the connections of its relay have outages and attempts of their own;
/// on the direct path, and until it is attached, these are the lifecycle's.
struct DeviceSnapshot {
  /// The state for the control interface: the lifecycle's, while I/O flows.
  let state: Lifecycle.State
  /// Why it is not attached or has no connection, or what is wrong although it is attached.
  let failure: Failure?
  /// Failed attempts since it was last attached, or since a connection was last up.
  let attempts: Int
  /// Connections lost since nbdd started; of a relayed device, times without any.
  let outages: Int
  /// When the next attempt is due: in microseconds since 1970, and on the clock of pauses.
  let nextAttempt: (realtime: Int64, instant: ContinuousClock.Instant)?
  /// The server's address, if there is a connection.
  let server: String?
  /// The export as the server described it last, and its size on every connection.
  let export: Export?
  let sizeBytes: UInt64
  /// The number of bytes at the end of the export that do not fill a block of the server or of the
  /// kernel.
  let unreachableBytes: UInt64
}

extension Device {
  var snapshot: DeviceSnapshot {
    let ownAttempt = lifecycle.nextAttempt.map { (timerEnd, $0) }
    let ownOutages = lifecycle.outages + earlierOutages
    guard let connections else {
      return DeviceSnapshot(
        state: lifecycle.state, failure: lifecycle.failure, attempts: lifecycle.attempts,
        outages: ownOutages, nextAttempt: ownAttempt, server: attachment?.server,
        export: attachment?.export, sizeBytes: attachment?.export.sizeBytes ?? 0,
        unreachableBytes: unreachableBytes(of: attachment?.export, attachment?.export.sizeBytes))
    }
    let export = connections.export
    let size = connections.sizeBytes ?? export.sizeBytes
    return DeviceSnapshot(
      state: state, failure: lifecycle.failure ?? connections.failure,
      attempts: connections.attempts, outages: ownOutages + connections.outages.count,
      nextAttempt: ownAttempt ?? connections.nextAttempt,
      server: connections.peers.lazy.compactMap(\.?.server).first, export: export,
      sizeBytes: size, unreachableBytes: unreachableBytes(of: export, size))
  }

  private func unreachableBytes(of export: Export?, _ size: UInt64?) -> UInt64 {
    guard let export, let size, let attachment else { return 0 }
    return size % UInt64(attachment.geometry.blockSize) + export.unreachableBytes
  }
}
