// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc

/// Runs a system call that returns -1 on failure, and again if a signal interrupted it.
@discardableResult
package func check<Result: SignedInteger>(
  _ call: String, _ body: () -> Result
) throws(SystemError) -> Result {
  while true {
    let result = body()
    if result != -1 { return result }
    let code = errno
    if code != EINTR { throw SystemError(returned: code, by: call) }
  }
}

extension SystemError {
  /// The error that a system call has returned.
  ///
  /// Traps on the numbers that only a bug in this program can cause. EBADF: a descriptor was used
  /// after it had been closed, and the next time its number may be that of another device's socket.
  /// EFAULT: the call was given memory that is not ours. Continuing would put data where it does
  /// not belong.
  package init(returned code: CInt, by call: String) {
    precondition(code != EBADF && code != EFAULT, "\(call): error \(code), which is a bug")
    self.init(call, code)
  }
}
