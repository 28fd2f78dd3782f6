// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux

/// A socket whose other end the kernel holds, and the progress of requests and replies on it.
struct KernelSocket {
  let descriptor: Descriptor
  var buffer: ReceiveBuffer
  /// The write whose data is arriving, and how many bytes of it have arrived.
  var arriving: SlotID?
  var arrived = 0
  /// Since when the next request in the buffer has waited for room, in microseconds of the clock that
  /// includes suspend; nil if none waits.
  var heldSince: Int64?
  var answers = SlotList()
  /// How many bytes of the first reply have been sent.
  var answered = 0
  /// The kernel accepts no replies now.
  var isBlocked = false
  /// The kernel has sent a disconnect or closed the socket.
  var hasEnded = false
  /// Its entry in the poll set of the loop, which shows whether it is ready.
  var entry: Int?

  init(_ descriptor: Descriptor) throws(SystemError) {
    self.descriptor = descriptor
    buffer = try ReceiveBuffer()
  }

  var isHeld: Bool { heldSince != nil }
}
