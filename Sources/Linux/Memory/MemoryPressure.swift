// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import CLinux
internal import Glibc

/// What a process does if the kernel may need it in order to free memory.
package enum MemoryPressure {
  /// Prepares the process; must be called before it has a second thread.
  ///
  /// The steps are independent, and each needs a privilege: without it nbdd works too, but not
  /// under extreme memory pressure. The corresponding C functions are `prctl` with
  /// `PR_SET_IO_FLUSHER`, and `mlockall`.
  package static func prepare() {
    // The thread's allocations, and those of the threads it creates, do not wait for writeback that may
    // need this very process.
    _ = setIOFlusher()
    lockMemory()
    protectFromKiller()
  }

  /// Keeps memory in use from being paged out: paging it in again could need this very process.
  ///
  /// Memory that is only reserved, and not used, costs nothing.
  private static func lockMemory() {
    // Under a limit, later allocations would fail instead of not being locked.
    guard liftMemoryLockLimit() == 0 else { return }
    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)
  }

  /// Protects the process: its end would free little memory, but take the devices from all that use
  /// them.
  ///
  /// A value that was set before stays.
  private static func protectFromKiller() {
    let path = "/proc/self/oom_score_adj"
    guard File.firstLine(of: path) == "0",
      let file = try? Descriptor.open(path, O_WRONLY)
    else { return }
    _ = unsafe write(file.number, "-900", 4)
  }
}
