// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux

/// A socket whose other end the kernel holds, and how far requests and answers have got on it.
struct KernelSocket {
  let descriptor: Descriptor
  var inlet: ReceiveBuffer
  /// The write whose data is arriving, and how many bytes of it are here.
  var arriving = Slot.none
  var arrived = 0
  /// The next request waits in the inlet until there is room for it.
  var isHeld = false
  /// Since when it waits there, by the clock that goes on in suspend.
  var heldSince = Int64.max
  var answers = SlotList()
  /// How many bytes of the first answer have been sent.
  var answered = 0
  /// It takes nothing now.
  var isBlocked = false
  /// The kernel has said goodbye, or has closed it.
  var hasEnded = false

  init(_ descriptor: Descriptor) throws(SystemError) {
    self.descriptor = descriptor
    inlet = try ReceiveBuffer()
  }
}
