// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Kernel

/// Where bytes go: a regular file, in which zeroes become holes, or anything else, from begin to end.
struct OutputFile {
  private let file: Descriptor
  private let name: String
  private let hasHoles: Bool

  /// Empties the file, or makes it; nil is standard output.
  init(_ path: String?) throws(Failure) {
    name = path ?? "standard output"
    do throws(SystemError) {
      file =
        try path.map { path throws(SystemError) in
          let number = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
          guard number >= 0 else { throw SystemError("open", errno) }
          return Descriptor(owning: number)
        } ?? Descriptor(owning: dup(1))
    } catch {
      throw Failure("\(name): \(error)")
    }
    var status = stat()
    unsafe fstat(file.number, &status)
    hasHoles = path != nil && status.st_mode & S_IFMT == S_IFREG
  }

  func write(_ bytes: ArraySlice<UInt8>) throws(Failure) {
    var rest = bytes
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes {
        unsafe Glibc.write(file.number, $0.baseAddress, $0.count)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Failure("\(name): \(SystemError("write", errno))") }
      rest = rest.dropFirst(count)
    }
  }

  func writeZeroes(_ count: UInt64) throws(Failure) {
    if hasHoles {
      guard lseek(file.number, off_t(clamping: count), SEEK_CUR) >= 0 else {
        throw Failure("\(name): \(SystemError("lseek", errno))")
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

  /// Gives a file that may end in a hole its size.
  func finish(_ size: UInt64) throws(Failure) {
    guard !hasHoles || ftruncate(file.number, off_t(clamping: size)) == 0 else {
      throw Failure("\(name): \(SystemError("ftruncate", errno))")
    }
  }
}
