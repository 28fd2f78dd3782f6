// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Synchronization

/// The counters of a relay; written by its thread, read by any.
package final class RelayCounters: Sendable {
  /// Requests of the kernel without a reply yet.
  package let requestsHeld = Atomic(0)
  /// Requests of the kernel that got a reply since the start.
  package let requestsAnswered = Atomic(0)
  /// Those of them that failed with an error because the relay was not waiting for a connection.
  package let requestsRefused = Atomic(0)
  /// Bytes of acknowledged writes not covered by a completed flush.
  package let unflushedBytes = Atomic(0)
  package let bytesFromServer = Atomic(0)
  package let bytesToServer = Atomic(0)
  package let operations = OperationCounters()

  init() {}
}
