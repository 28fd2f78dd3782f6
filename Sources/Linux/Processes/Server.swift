// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import CLinux
internal import Glibc

/// A program that goes on when this process ends, and serves a socket.
package enum Server {
  /// Starts a program with a new listening socket of messages as its descriptor 3.
  ///
  /// It has a session of its own, so that it ends neither with this process nor with its terminal. ENOENT, EACCES: there
  /// is no such program. Blocks until it is being started. The corresponding C functions are `fork` and `execve`.
  package static func start(
    _ program: String, listeningAt path: String
  ) throws(SystemError) {
    try check("execute \(program)") { unsafe access(program, X_OK) }
    let listener = try MessageSocket.listen(at: path)
    try check("fork") { unsafe startServer(program, listener.number) }
  }
}
