// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux

/// A socket whose other end the kernel holds, and how far requests and answers have got on it.
struct KernelSocket {
  let descriptor: Descriptor
  var buffer: ReceiveBuffer
  /// The write whose data is arriving, and how many bytes of it are here.
  var arriving: SlotID?
  var arrived = 0
  /// Since when the next request waits in the buffer until there is room for it, in microseconds of the
  /// clock that goes on in suspend; nil if none does.
  var heldSince: Int64?
  var answers = SlotList()
  /// How many bytes of the first answer have been sent.
  var answered = 0
  /// The kernel takes no answers now.
  var isBlocked = false
  /// The kernel has said goodbye, or has closed it.
  var hasEnded = false
  /// Where the loop finds out whether it is ready.
  var entry: Int?

  init(_ descriptor: Descriptor) throws(SystemError) {
    self.descriptor = descriptor
    buffer = try ReceiveBuffer()
  }

  var isHeld: Bool { heldSince != nil }
}
