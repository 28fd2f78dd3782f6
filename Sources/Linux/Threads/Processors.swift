// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc

/// The processors of this machine.
package enum Processors {
  /// How many the calling thread may run on, at least 1.
  ///
  /// The corresponding C function is `sched_getaffinity`.
  package static var availableCount: Int {
    // Larger than cpu_set_t: the call fails if the kernel knows more processors than fit.
    var words = [UInt](repeating: 0, count: 128)
    let byteCount = words.count * MemoryLayout<UInt>.size
    let code = unsafe words.withUnsafeMutableBytes {
      unsafe sched_getaffinity(
        0, byteCount, $0.baseAddress?.assumingMemoryBound(to: cpu_set_t.self))
    }
    guard code == 0 else { return 1 }
    return max(1, words.reduce(0) { $0 + $1.nonzeroBitCount })
  }
}
