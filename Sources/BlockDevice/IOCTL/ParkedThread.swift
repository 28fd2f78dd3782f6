// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import CLinux
internal import Glibc
package import Linux
internal import Synchronization

/// A thread in NBD_DO_IT, which serves a device that any thread may have set up.
///
/// It is named after the device. When the device has ended, it makes the driver forget the sockets.
package final class ParkedThread: Sendable {
  private enum State: Sendable {
    case running
    /// With the error number of NBD_DO_IT, 0 if there was none.
    case ended(CInt)
  }

  /// The kernel's id of the thread, as sysfs shows it for the device.
  package let id: Int
  private let state: Shared

  private final class Shared: Sendable {
    let state = Mutex(State.running)
    let id = Mutex(0)
  }

  /// Starts it; `wakeup` is signalled when the device has ended.
  ///
  /// Blocks until the thread runs.
  package init(_ name: String, _ node: Descriptor, _ wakeup: Wakeup) throws(SystemError) {
    let shared = Shared()
    let isRunning = try Wakeup()
    try Thread.start(name) {
      shared.id.withLock { $0 = Thread.currentID }
      isRunning.signal()
      let code: CInt = ioctl(node.number, .doIt, 0) == -1 ? errno : 0
      // At once, or requests in flight stay stuck.
      _ = ioctl(node.number, .clearSocket, 0)
      shared.state.withLock { $0 = .ended(code) }
      wakeup.signal()
    }
    _ = try isRunning.wait(within: .seconds(60))
    id = shared.id.withLock { $0 }
    state = shared
  }

  /// The error number of NBD_DO_IT, 0 if there was none; nil while the device is served.
  package var result: CInt? {
    state.state.withLock { state in
      if case .ended(let code) = state { code } else { nil }
    }
  }
}
