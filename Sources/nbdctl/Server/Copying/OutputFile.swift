// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux

/// Where bytes are written: a regular file, which gets its name only when it is complete, or anything
/// else, such as a device or a pipe, from start to end.
struct OutputFile {
  let name: String
  private let file: Descriptor
  private let kind: mode_t
  private let draft: DraftFile?

  /// Opens what is at a path, or prepares a new file; nil is standard output.
  ///
  /// Blocks if it is a FIFO without a reader so far.
  init(_ path: String?) throws(Failure) {
    name = path ?? "standard output"
    do throws(SystemError) {
      guard let path else {
        file = try Descriptor.inherited(1)
        (kind, draft) = (0, nil)
        return
      }
      let found = try DraftFile.existing(path)
      if let found, found.kind != S_IFREG {
        (file, kind, draft) = (found.file, found.kind, nil)
      } else {
        let draft = try DraftFile(for: path, inPlaceOf: found?.status)
        (file, kind, self.draft) = (draft.file, S_IFREG, draft)
      }
    } catch {
      throw Failure("\(name): \(error)")
    }
  }

  /// Whether there is a draft to remove after a failure.
  var isDraft: Bool { draft != nil }

  /// How many bytes fit, if that is known.
  var capacity: UInt64? {
    guard kind == S_IFBLK else { return nil }
    defer { lseek(file.number, 0, SEEK_SET) }
    return UInt64(max(0, lseek(file.number, 0, SEEK_END)))
  }

  func write(_ bytes: ArraySlice<UInt8>) throws(Failure) {
    var rest = bytes
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes {
        unsafe Glibc.write(file.number, $0.baseAddress, $0.count)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw failure("write", errno) }
      rest = rest.dropFirst(count)
    }
  }

  /// Writes zeroes, or leaves them out where reading returns zeroes anyway.
  func writeZeroes(_ count: UInt64) throws(Failure) {
    if isDraft {
      guard lseek(file.number, off_t(clamping: count), SEEK_CUR) >= 0 else {
        throw failure("lseek", errno)
      }
      return
    }
    let zeroes = [UInt8](repeating: 0, count: Int(min(count, 1 << 20)))
    var left = count
    while left > 0 {
      let part = min(left, UInt64(zeroes.count))
      try write(zeroes.prefix(Int(part)))
      left -= part
    }
  }

  /// Waits until all of it is on stable storage, where there is one, and gives a regular file its size, as it
  /// may end in a hole, and its name.
  func finish(_ size: UInt64) throws(Failure) {
    if isDraft, ftruncate(file.number, off_t(clamping: size)) != 0 {
      throw failure("ftruncate", errno)
    }
    if kind == S_IFREG || kind == S_IFBLK, fsync(file.number) != 0 { throw failure("fsync", errno) }
    do throws(SystemError) {
      try draft?.publish()
    } catch {
      throw Failure("\(name): \(error)")
    }
  }

  /// Removes what was written to a regular file; a file that existed before is unchanged.
  func discard() {
    draft?.remove()
  }

  private func failure(_ call: String, _ code: CInt) -> Failure {
    Failure("\(name): \(SystemError(call, code))")
  }
}
