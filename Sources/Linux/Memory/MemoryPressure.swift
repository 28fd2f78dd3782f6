// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import CLinux
internal import Glibc

/// What a process does that the kernel may need in order to free memory.
package enum MemoryPressure {
  /// Prepares the process; to be called before it has a second thread.
  ///
  /// Each step works for itself, and each takes a privilege: without it nbdd works as well, only not
  /// under extreme pressure. The corresponding C functions are `prctl` with `PR_SET_IO_FLUSHER`, and
  /// `mlockall`.
  package static func prepare() {
    // The thread's allocations, and those of the threads it creates, do not wait for writeback that may
    // need this very process.
    _ = setIOFlusher()
    lockMemory()
    protectFromKiller()
  }

  /// Keeps what is in use from being paged out: to page it in again could take this very process.
  ///
  /// What is reserved only, and not used, costs nothing.
  private static func lockMemory() {
    // Under a limit, later allocations would fail instead of not being locked.
    guard liftMemoryLockLimit() == 0 else { return }
    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)
  }

  /// The process's end would not free much, but take the devices from all that use them.
  ///
  /// A value that somebody has set stays.
  private static func protectFromKiller() {
    let path = "/proc/self/oom_score_adj"
    guard File.firstLine(of: path) == "0",
      let file = try? Descriptor.open(path, O_WRONLY)
    else { return }
    _ = unsafe write(file.number, "-900", 4)
  }
}
