// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import CLinux

/// Faults of a thread, such as traps, recorded in memory that outlives the process, which they end.
///
/// The corresponding C function is `sigaction`.
package enum FaultNote {
  /// The words: the signal of the last fault, the number of faults, the times of the last three.
  package static let byteCount = 40

  /// From now on, faults of the calling thread are recorded there.
  package static func begin(in region: Region, at place: Int) {
    unsafe noteFaults(at: region.pointer(place, byteCount).assumingMemoryBound(to: UInt64.self))
  }

  /// Faults of the calling thread are not recorded any more.
  package static func end() { noteFaults(at: nil) }
}
