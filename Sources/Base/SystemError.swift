// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc

/// A system call that failed, and why.
package struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Name of the call, as in its manual page.
  package let call: String
  /// The error number that it returned, or `notAFile`.
  package let errno: CInt

  /// There is something at a path, but it is not a regular file; the system has no number for that.
  package static let notAFile: CInt = 0

  package init(_ call: String, _ errno: CInt) {
    self.call = call
    self.errno = errno
  }

  /// The error in the system's words, as in "Connection refused".
  package var reason: String {
    let words = unsafe String(cString: strerror(errno))
    return switch errno {
    case Self.notAFile: "not a regular file"
    // Our programs have raised the limit as far as they may.
    case EMFILE: "\(words) (ulimit -Hn; LimitNOFILE= of a unit)"
    default: words
    }
  }

  package var description: String {
    "\(call): \(reason)"
  }
}
