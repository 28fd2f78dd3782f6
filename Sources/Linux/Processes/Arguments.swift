// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import CLinux
internal import Glibc

/// The command line that main received.
///
/// `CommandLine.arguments` has none where /proc is not mounted, as in a plain chroot.
package enum Arguments {
  /// The name of the program, and what follows.
  package static var all: [String] {
    guard let values = unsafe arguments() else { return [] }
    return (0..<Int(argumentCount())).compactMap { index in
      unsafe values[index].map { unsafe String(cString: $0) }
    }
  }
}
