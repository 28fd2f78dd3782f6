// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// A socket whose other end the kernel holds; how far its streams have got is in the Record.
struct KernelSocket {
  let descriptor: Descriptor
  /// The end that the kernel has, which counts what the kernel has received.
  let kernelEnd: Descriptor
  /// The write whose data is arriving.
  var arriving: SlotID?
  /// Since when the next request in the ring has waited for room, in microseconds of the clock that
  /// includes suspend; nil if none waits.
  var heldSince: Int64?
  var answers = SlotList()
  /// The position at which the next reply begins in the stream to the kernel.
  var queued: UInt64 = 0
  /// The kernel accepts no replies now.
  var isBlocked = false
  /// The kernel has sent a disconnect or closed the socket.
  var hasEnded = false
  /// Its entry in the poll set of the loop, which shows whether it is ready.
  var entry: Int?

  init(_ pair: SocketPair) {
    (descriptor, kernelEnd) = (pair.ours, pair.kernel)
  }

  var isHeld: Bool { heldSince != nil }
}
