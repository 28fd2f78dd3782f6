// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux

/// A regular file that is written beside the one that it will replace, so that an incomplete copy
/// is never taken for a complete one.
struct DraftFile {
  let file: Descriptor
  private let path: String
  private let target: String

  /// Opens what is at a path for writing; nil if there is nothing.
  ///
  /// A block device that is mounted, or otherwise in use, is refused with EBUSY.
  static func existing(
    _ path: String
  ) throws(SystemError) -> (file: Descriptor, status: stat, kind: mode_t)? {
    let number = unsafe open(path, O_WRONLY | O_CLOEXEC)
    let code = errno
    if number < 0, code == ENOENT { return nil }
    guard number >= 0 else { throw SystemError("open", code) }
    var file = Descriptor(owning: number)
    var status = stat()
    try check("fstat") { unsafe fstat(number, &status) }
    if status.st_mode & S_IFMT == S_IFBLK {
      let flags = O_WRONLY | O_EXCL | O_CLOEXEC
      file = Descriptor(owning: try check("open") { unsafe open(path, flags) })
    }
    return (file, status, status.st_mode & S_IFMT)
  }

  /// Creates the draft, with the mode and, as far as that is allowed, the owner of the file it will
  /// replace.
  init(for target: String, inPlaceOf existing: stat?) throws(SystemError) {
    // A symbolic link stays, and its target is replaced.
    let target = File.realPath(target)
    let directory = target.lastIndex(of: "/").map { target[...$0] } ?? ""
    let path = "\(directory).nbdctl-\(String(UInt64.random(in: .min ... .max), radix: 36))"
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
    let mode = existing.map { $0.st_mode & 0o7777 } ?? 0o666
    file = Descriptor(owning: try check("open \(path)") { unsafe open(path, flags, mode) })
    if let existing {
      _ = fchown(file.number, existing.st_uid, existing.st_gid)
      // After the owner has changed, because that clears some bits.
      _ = fchmod(file.number, mode)
    }
    self.target = target
    self.path = path
  }

  /// Puts the draft in place of the file.
  func publish() throws(SystemError) {
    try check("rename") { unsafe rename(path, target) }
  }

  func remove() {
    File.remove(path)
  }
}
