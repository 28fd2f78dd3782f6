// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import CLinux
internal import Glibc

/// Wakes a thread that polls its descriptor, from any thread.
///
/// It stays signalled until it is cleared; one that is never cleared is an interrupt, which ends every wait that
/// has it, once and for all. The corresponding C function is `eventfd`.
package final class Wakeup: Sendable {
  package let descriptor: Descriptor

  package init() throws(SystemError) {
    let flags = CInt(EFD_CLOEXEC | EFD_NONBLOCK)
    descriptor = Descriptor(owning: try check("eventfd") { eventfd(0, flags) })
  }

  /// Wakes the thread; can be called from any thread, any number of times.
  ///
  /// Does not block. The corresponding C function is `eventfd_write`.
  package func signal() {
    eventfd_write(descriptor.number, 1)
  }

  /// Clears pending signals.
  ///
  /// Does not block. The corresponding C function is `eventfd_read`.
  package func clear() {
    var count: eventfd_t = 0
    unsafe eventfd_read(descriptor.number, &count)
  }

  /// Makes signals interrupt instead of ending the process; the second one ends it.
  ///
  /// A signal that is ignored stays ignored, as nohup(1) requires. For a process that has only the
  /// calling thread so far. The corresponding C function is `sigwait`.
  package func signal(on signals: CInt...) throws(SystemError) {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for signal in signals {
      var action = sigaction()
      unsafe sigaction(signal, nil, &action)
      if unsafe action.__sigaction_handler.sa_handler == nil { unsafe sigaddset(&set, signal) }
    }
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    try Thread.start("signal") { [set] in
      var set = set
      var arrived: CInt = 0
      unsafe sigwait(&set, &arrived)
      self.signal()
      unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
      while true { pause() }
    }
  }

  package var isSignalled: Bool {
    (try? wait(within: .zero)) ?? false
  }

  /// Blocks until it is signalled (true) or the time has passed (false).
  package func wait(within time: Duration) throws(SystemError) -> Bool {
    try Readiness.wait(for: [(descriptor, POLLIN)], until: .now + time) != 0
  }
}
