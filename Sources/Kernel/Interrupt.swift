// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import CLinux
internal import Glibc

/// Ends the waiting of a thread from outside, once and for all.
///
/// The thread polls the descriptor beside what it waits for.
package final class Interrupt: Sendable {
  let descriptor: Descriptor

  package init() throws(SystemError) {
    let flags = CInt(EFD_CLOEXEC | EFD_NONBLOCK)
    descriptor = Descriptor(owning: try check("eventfd") { eventfd(0, flags) })
  }

  /// Interrupts; can be called from any thread, any number of times.
  package func raise() {
    eventfd_write(descriptor.number, 1)
  }

  /// Has signals interrupt instead of ending the process; the second of them ends it.
  ///
  /// One that is ignored stays so, as nohup(1) wants it. For a process that has no thread yet besides the
  /// calling one.
  package func raise(on signals: CInt...) throws(SystemError) {
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
      self.raise()
      unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
      while true { pause() }
    }
  }

  package var isRaised: Bool {
    (try? wait(within: .zero)) ?? false
  }

  /// Blocks until the interrupt is raised (true) or the time has passed (false).
  package func wait(within time: Duration) throws(SystemError) -> Bool {
    try poll([(descriptor, POLLIN)], until: .now + time) != 0
  }
}

/// Waits until one of the descriptors is ready; answers a bit mask of those, 0 at the deadline.
///
/// Without a deadline it waits for ever. The corresponding C function is `poll`.
func poll(
  _ descriptors: [(Descriptor, CInt)], until deadline: ContinuousClock.Instant?
) throws(SystemError) -> UInt {
  var entries = descriptors.map { pollfd(fd: $0.0.number, events: Int16($0.1), revents: 0) }
  let count = nfds_t(entries.count)
  try check("poll") {
    // Counted anew after an interruption, and rounded up, so as not to wake too early.
    let timeout = deadline.map { max(0, (ContinuousClock.now.duration(to: $0)).milliseconds) }
    return unsafe Glibc.poll(&entries, count, timeout.map { CInt(clamping: $0) } ?? -1)
  }
  return entries.indices.reduce(0) { entries[$1].revents == 0 ? $0 : $0 | 1 << UInt($1) }
}

extension Duration {
  /// Whole milliseconds, rounded up.
  package var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    let up: Int64 = attoseconds > 0 ? 999_999_999_999_999 : 0
    let rounded = (attoseconds + up) / 1_000_000_000_000_000
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
    return overflow ? (seconds < 0 ? .min : .max) : product &+ rounded
  }
}
