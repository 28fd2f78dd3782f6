// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc

/// Two connected stream sockets: one for the driver, one for the thread that serves it.
///
/// The corresponding C function is `socketpair`.
package struct SocketPair: Sendable {
  package let kernel: Descriptor
  package let ours: Descriptor

  /// Takes the ends of an existing pair.
  package init(kernel: Descriptor, ours: Descriptor) {
    (self.kernel, self.ours) = (kernel, ours)
  }

  /// The buffers are so large that the driver almost never stops in the middle of a request, which
  /// Linux 6.6 to 6.13 do not survive when a signal comes at that moment.
  package init() throws(SystemError) {
    var ends: [CInt] = [-1, -1]
    let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    try check("socketpair") { unsafe socketpair(AF_UNIX, type, 0, &ends) }
    kernel = Descriptor(owning: ends[0])
    ours = Descriptor(owning: ends[1])
    var size: CInt = 32 << 20
    for end in [kernel, ours] {
      // Without the privilege it gets the largest size that every process may have.
      for option in [SO_SNDBUF, SO_SNDBUFFORCE] {
        let length = socklen_t(MemoryLayout<CInt>.size)
        unsafe setsockopt(end.number, SOL_SOCKET, option, &size, length)
      }
    }
  }
}
