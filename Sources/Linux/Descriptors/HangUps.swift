// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import CLinux
internal import Glibc

/// Tells which sockets have lost their peers for good: for both directions, and whether or not
/// there is something left to read.
///
/// A peer that only sends no more is not meant: it may wait for answers. The corresponding C
/// function is `epoll`.
package final class HangUps: Sendable {
  /// Readable while there is one that has not been told.
  package let descriptor: Descriptor

  package init() throws(SystemError) {
    descriptor = Descriptor(owning: try check("epoll_create1") { endWatch() })
  }

  /// Watches over a socket until it is closed.
  package func add(_ socket: Descriptor) throws(SystemError) {
    try check("epoll_ctl") { watchEnd(descriptor.number, socket.number) }
  }

  /// The number of a socket whose peer has gone, each once; does not block.
  package func next() -> CInt? {
    let number = ended(descriptor.number)
    return number < 0 ? nil : number
  }
}
