// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Synchronization

/// What a relay counts; written by its thread, read by any.
package final class RelayCounters: Sendable {
  /// Requests of the kernel that are not answered yet.
  package let requestsHeld = Atomic(0)
  /// Requests of the kernel that were answered since the start.
  package let requestsAnswered = Atomic(0)
  /// Those of them that were answered with an error because no connection was awaited.
  package let requestsRefused = Atomic(0)
  /// Bytes of acknowledged writes that no completed flush covers.
  package let unflushedBytes = Atomic(0)
  package let bytesFromServer = Atomic(0)
  package let bytesToServer = Atomic(0)

  init() {}
}
