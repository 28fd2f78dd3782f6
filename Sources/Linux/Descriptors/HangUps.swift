// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import CLinux
internal import Glibc

/// Reports which sockets have lost their peers for good: in both directions, whether or not there
/// is something left to read.
///
/// A peer that has only stopped sending does not count: it may wait for replies. The corresponding
/// C function is `epoll_create1`.
package final class HangUps: Sendable {
  /// Readable while there is one that `next` has not returned yet.
  package let descriptor: Descriptor

  package init() throws(SystemError) {
    descriptor = Descriptor(owning: try check("epoll_create1") { endWatch() })
  }

  /// Watches a socket until it is closed.
  ///
  /// EEXIST: it is watched already. The corresponding C function is `epoll_ctl`.
  package func add(_ socket: Descriptor) throws(SystemError) {
    try check("epoll_ctl") { watchEnd(descriptor.number, socket.number) }
  }

  /// Returns the number of a socket whose peer has gone, each once; nil if there is none.
  ///
  /// Does not block. The corresponding C function is `epoll_wait`.
  package func next() -> CInt? {
    let number = ended(descriptor.number)
    return number < 0 ? nil : number
  }
}
