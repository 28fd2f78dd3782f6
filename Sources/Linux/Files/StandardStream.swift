// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc

/// A stream that a program prints to.
package enum StandardStream: CInt {
  case output = 1
  case error = 2

  /// Prints text; blocks until it is written.
  ///
  /// Errors are ignored: there is nowhere left to report them. The corresponding C function is `write`.
  package func print(_ text: String) {
    printText(text, to: rawValue)
  }
}

extension Descriptor {
  /// Writes text, as `StandardStream.print` does.
  package func print(_ text: String) {
    printText(text, to: number)
  }
}

private func printText(_ text: String, to descriptor: CInt) {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = unsafe bytes.withUnsafeBytes {
      unsafe write(descriptor, $0.baseAddress, $0.count)
    }
    if count < 0, errno == EAGAIN {
      // The stream was opened as non-blocking; this function blocks.
      var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      unsafe poll(&entry, 1, -1)
      continue
    }
    guard count > 0 || errno == EINTR else { return }
    bytes = bytes.dropFirst(max(0, count))
  }
}
