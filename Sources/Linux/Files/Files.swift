// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc

/// The text of a small file, nil if it cannot be read.
package func contents(of path: String) -> String? {
  guard let bytes = try? bytes(of: path) else { return nil }
  return String(decoding: bytes, as: UTF8.self)
}

/// The first line of a small file without its end, nil if it cannot be read.
package func firstLine(of path: String) -> String? {
  guard let bytes = try? bytes(of: path) else { return nil }
  return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
}

/// The bytes of a regular file; EFBIG if there are more than `limit`.
package func bytes(of path: String, limit: Int = 1 << 24) throws(SystemError) -> [UInt8] {
  try bytes(in: Descriptor.openFile(path), named: path, limit: limit)
}

/// The bytes of an open file from where it stands; EFBIG if there are more than `limit`.
package func bytes(
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

/// Names of a directory's entries without "." and ".."; none if it cannot be read.
package func names(in directory: String) -> [String] {
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

/// Makes a directory and all above it that are missing.
package func makeDirectories(_ path: String) throws(SystemError) {
  var made = path.hasPrefix("/") ? "" : "."
  for part in path.split(separator: "/") {
    made += "/\(part)"
    guard unsafe mkdir(made, 0o755) != 0 else { continue }
    let code = errno
    // On a read-only file system it is EROFS even for what exists.
    guard code != EEXIST, unsafe access(made, F_OK) != 0 else { continue }
    throw SystemError("mkdir \(made)", code)
  }
}

/// A path without symbolic links, dots and doubled slashes; as it is if that cannot be found out.
package func realPath(_ path: String) -> String {
  guard let real = unsafe realpath(path, nil) else { return path }
  defer { unsafe free(real) }
  return unsafe String(cString: real)
}

/// Whether there is something at a path; an error if that cannot be found out.
package func exists(_ path: String) throws(SystemError) -> Bool {
  do throws(SystemError) {
    try check("access \(path)") { unsafe access(path, F_OK) }
    return true
  } catch  where error.errno == ENOENT {
    return false
  }
}

/// Removes a file; it may have gone already.
package func removeFile(_ path: String) {
  unsafe unlink(path)
}

/// Writes a file that only its owner may read, in place of what it contained.
package func writeFile(_ text: String, to path: String) throws(SystemError) {
  let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW
  let file = Descriptor(owning: try check("open \(path)") { unsafe open(path, flags, 0o600) })
  let count = try check("write \(path)") {
    unsafe write(file.number, text, text.utf8.count)
  }
  guard count == text.utf8.count else { throw SystemError("write \(path)", ENOSPC) }
}

/// Device and inode of an open file, as systemd writes them into JOURNAL_STREAM.
package func fileIdentity(_ descriptor: CInt) -> String? {
  var status = stat()
  guard unsafe fstat(descriptor, &status) == 0 else { return nil }
  return "\(status.st_dev):\(status.st_ino)"
}

/// Writes text to standard output (1) or standard error (2).
///
/// There is nowhere to complain to.
package func print(_ text: String, to descriptor: CInt) {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = unsafe bytes.withUnsafeBytes {
      unsafe write(descriptor, $0.baseAddress, $0.count)
    }
    if count < 0, errno == EAGAIN {
      // Whoever gave it to us does not want to wait; we do.
      var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      unsafe poll(&entry, 1, -1)
      continue
    }
    guard count > 0 || errno == EINTR else { return }
    bytes = bytes.dropFirst(max(0, count))
  }
}

/// The value of an environment variable.
package func environmentValue(_ name: String) -> String? {
  guard let value = unsafe getenv(name) else { return nil }
  return unsafe String(cString: value)
}
