// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux

/// Faults, such as traps, that happened while a thread served the device.
///
/// They end the process, and a server whose replies lead to one would end each successor as well.
extension Record {
  /// From now on, faults of the calling thread are recorded.
  package func beginNotingFaults() { FaultNote.begin(in: control, at: RecordLayout.Header.faults) }

  /// The signal of the last fault.
  package var faultSignal: Int {
    Int(truncatingIfNeeded: control.load(RecordLayout.Header.faults) & 0xff)
  }

  /// The number of faults within a time before now, at most three; `now` is in microseconds of the clock that
  /// includes suspend.
  package func faultCount(within time: Duration, before now: Int64) -> Int {
    let count = control.load(RecordLayout.Header.faults + 8)
    let oldest = now / 1000 - time.milliseconds
    return (0..<min(3, Int(truncatingIfNeeded: count & 0xffff))).count { index in
      let place = RecordLayout.Header.faults + 16 + index * 8
      return Int64(truncatingIfNeeded: control.load(place)) >= oldest
    }
  }

  /// Forgets the faults so far; only while no thread serves the device.
  package func forgetFaults() { set(0, at: RecordLayout.Header.faults + 8) }
}
