// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc

/// Small files by their paths.
///
/// Every function blocks for as long as the file system takes.
package enum File {
  /// Whether there is anything at a path; false too if that cannot be found out.
  package static func isThere(_ path: String) -> Bool { (try? exists(path)) ?? false }

  /// Whether there is a regular file at a path, or a link to one; false too if that cannot be found out.
  ///
  /// The corresponding C function is `stat`.
  package static func isRegular(_ path: String) -> Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  /// The text of a regular file, nil if it cannot be read.
  package static func contents(of path: String) -> String? {
    guard let bytes = try? Self.bytes(of: path) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The first line of a regular file without its end, nil if it cannot be read.
  package static func firstLine(of path: String) -> String? {
    guard let bytes = try? Self.bytes(of: path) else { return nil }
    return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }

  /// The bytes of a regular file.
  ///
  /// EFBIG: there are more than `limit`; the other errors are those of `Descriptor.openFile`.
  package static func bytes(
    of path: String, limit: Int = 1 << 24
  ) throws(SystemError) -> [UInt8] {
    try bytes(in: Descriptor.openFile(path), named: path, limit: limit)
  }

  /// The bytes of an open file from where it stands.
  ///
  /// EFBIG: there are more than `limit`. The corresponding C function is `read`.
  package static func bytes(
    in file: Descriptor, named path: String, limit: Int = 1 << 24
  ) throws(SystemError) -> [UInt8] {
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 16384)
    while true {
      let count = try check("read \(path)") {
        unsafe part.withUnsafeMutableBytes { unsafe read(file.number, $0.baseAddress, $0.count) }
      }
      if count == 0 { return bytes }
      bytes += part.prefix(count)
      if bytes.count > limit { throw SystemError("read \(path)", EFBIG) }
    }
  }

  /// Writes a file that, without another mode, only its owner may read, in place of what it contained.
  ///
  /// ELOOP: the path is a symbolic link; ENOSPC: there is no room. The corresponding C functions are `open`
  /// and `write`.
  package static func write(
    _ text: String, to path: String, mode: UInt32 = 0o600
  ) throws(SystemError) {
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW
    let file = Descriptor(owning: try check("open \(path)") { unsafe open(path, flags, mode) })
    let count = try check("write \(path)") {
      unsafe Glibc.write(file.number, text, text.utf8.count)
    }
    guard count == text.utf8.count else { throw SystemError("write \(path)", ENOSPC) }
  }

  /// Makes a symbolic link to a target.
  ///
  /// EEXIST: there is something at the path. The corresponding C function is `symlink`.
  package static func link(_ target: String, at path: String) throws(SystemError) {
    try check("symlink \(path)") { unsafe symlink(target, path) }
  }

  /// Whether there is something at a path; throws if that cannot be determined.
  ///
  /// EACCES: a directory on the way may not be searched. The corresponding C function is `access`.
  package static func exists(_ path: String) throws(SystemError) -> Bool {
    do throws(SystemError) {
      try check("access \(path)") { unsafe access(path, F_OK) }
      return true
    } catch  where error.errno == ENOENT {
      return false
    }
  }

  /// Removes a file, if it still exists.
  ///
  /// The corresponding C function is `unlink`.
  package static func remove(_ path: String) {
    unsafe unlink(path)
  }

  /// A path without symbolic links, dots and doubled slashes; unchanged if that cannot be
  /// determined.
  ///
  /// The corresponding C function is `realpath`.
  package static func realPath(_ path: String) -> String {
    guard let real = unsafe realpath(path, nil) else { return path }
    defer { unsafe free(real) }
    return unsafe String(cString: real)
  }

  /// Device and inode of an open file, as systemd writes them to JOURNAL_STREAM; nil if it is not
  /// open.
  ///
  /// The corresponding C function is `fstat`.
  package static func identity(of descriptor: CInt) -> String? {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { return nil }
    return "\(status.st_dev):\(status.st_ino)"
  }
}
