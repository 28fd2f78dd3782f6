// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc

/// Directories by their paths.
///
/// Every function blocks for as long as the file system takes.
package enum Directory {
  /// Names of a directory's entries without "." and ".."; none if it cannot be read.
  ///
  /// The corresponding C functions are `opendir` and `readdir`.
  package static func names(in directory: String) -> [String] {
    guard let stream = unsafe opendir(directory) else { return [] }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// Creates a directory and all missing ones above it.
  ///
  /// ENOTDIR: a part of the path is not a directory; EACCES, EROFS: it may not be created there.
  /// The corresponding C function is `mkdir`.
  package static func create(_ path: String) throws(SystemError) {
    var made = path.hasPrefix("/") ? "" : "."
    for part in path.split(separator: "/") {
      made += "/\(part)"
      guard unsafe mkdir(made, 0o755) != 0 else { continue }
      let code = errno
      // On a read-only file system the error is EROFS even for what exists.
      guard code != EEXIST, unsafe access(made, F_OK) != 0 else { continue }
      throw SystemError("mkdir \(made)", code)
    }
  }
}
