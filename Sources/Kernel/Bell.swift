// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import CLinux
internal import Glibc

/// Wakes a thread that polls, again and again.
///
/// The corresponding C function is `eventfd`.
package final class Bell: Sendable {
  package let descriptor: Descriptor

  package init() throws(SystemError) {
    let flags = CInt(EFD_CLOEXEC | EFD_NONBLOCK)
    descriptor = Descriptor(owning: try check("eventfd") { eventfd(0, flags) })
  }

  /// Wakes the thread; can be called from any thread.
  package func ring() {
    eventfd_write(descriptor.number, 1)
  }

  /// What rang has been heard.
  package func silence() {
    var count: eventfd_t = 0
    unsafe eventfd_read(descriptor.number, &count)
  }
}
