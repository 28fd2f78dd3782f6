// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc

/// Counts the bytes that are consumed at an end of a UNIX socket, in the socket itself.
///
/// It uses `SO_PEEK_OFF`, which each receive lowers by what it has consumed, inside the same function of the
/// kernel (measured on Linux 6.1 and 6.12). So it is right even where a note of the number is missing. Nobody may
/// use `MSG_PEEK` on that end.
package struct ConsumptionCounter {
  /// How many bytes can be consumed before it must be reset.
  package static let range: UInt64 = 1 << 30
  private let socket: Descriptor

  package init(of socket: Descriptor) {
    self.socket = socket
  }

  /// Begins to count from zero; returns false if the socket has no such counter.
  @discardableResult
  package func reset() -> Bool {
    var value = CInt(Self.range)
    let length = socklen_t(MemoryLayout<CInt>.size)
    return unsafe setsockopt(socket.number, SOL_SOCKET, SO_PEEK_OFF, &value, length) == 0
  }

  /// The number of bytes since the last reset; nil if they were too many, or if it is not in use.
  package var consumed: UInt64? {
    var value: CInt = -1
    var length = socklen_t(MemoryLayout<CInt>.size)
    guard unsafe getsockopt(socket.number, SOL_SOCKET, SO_PEEK_OFF, &value, &length) == 0,
      value > 0
    else { return nil }
    return Self.range - UInt64(value)
  }

  /// The number of bytes that have arrived at this end and were not consumed.
  package var unread: UInt64 {
    var value: CInt = 0
    return unsafe ioctl(socket.number, UInt(FIONREAD), &value) == 0 ? UInt64(value) : 0
  }
}
