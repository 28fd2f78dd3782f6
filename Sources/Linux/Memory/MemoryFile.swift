// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import CLinux
internal import Glibc

/// Memory that outlives the process, as long as another process has a descriptor of it.
///
/// It has a fixed size, and a page of it costs nothing until it is used. The corresponding C function is
/// `memfd_create`.
package final class MemoryFile: Sendable {
  package let descriptor: Descriptor
  package let byteCount: Int

  /// Creates one that is all zeroes; the name is only for people who look into /proc.
  ///
  /// ENFILE, EMFILE: there are too many open files.
  package init(named name: String, byteCount: Int) throws(SystemError) {
    let flags = UInt32(MFD_CLOEXEC | MFD_ALLOW_SEALING)
    descriptor = Descriptor(
      owning: try check("memfd_create") { unsafe memfd_create(name, flags) })
    self.byteCount = byteCount
    try check("ftruncate") { ftruncate(descriptor.number, byteCount) }
    // Nobody who has a descriptor can take mapped pages away, which would end the process.
    try check("fcntl") { fcntl(descriptor.number, addSeals, sealShrink | sealGrow) }
  }

  /// Takes one that another process has created.
  ///
  /// EINVAL: it is no such file, or its size is not fixed.
  package init(opening descriptor: Descriptor) throws(SystemError) {
    let seals = fcntl(descriptor.number, getSeals)
    guard seals >= 0, seals & sealShrink != 0, seals & sealGrow != 0 else {
      throw SystemError("F_GET_SEALS", EINVAL)
    }
    var status = stat()
    try check("fstat") { unsafe fstat(descriptor.number, &status) }
    self.descriptor = descriptor
    byteCount = Int(status.st_size)
  }

  /// Takes memory for a range, so that using it cannot fail; returns false if there is none now.
  ///
  /// The corresponding C function is `fallocate`.
  package func take(_ range: Range<Int>) -> Bool {
    while true {
      if fallocate(descriptor.number, 0, range.lowerBound, range.count) == 0 { return true }
      if errno != EINTR { return false }
    }
  }

  /// Returns the memory of whole pages to the system; they are zeroes when they are used again.
  ///
  /// Also of locked memory. The corresponding C function is `fallocate` with `FALLOC_FL_PUNCH_HOLE`.
  package func giveBack(_ range: Range<Int>) {
    guard !range.isEmpty else { return }
    fallocate(descriptor.number, punchHole | keepSize, range.lowerBound, range.count)
  }
}

extension SystemError {
  /// There is no memory for what must not fail later.
  package static let noMemory = SystemError("fallocate", ENOSPC)
}

// Not visible to Swift: linux/fcntl.h and linux/falloc.h, part of the kernel's stable interface.
private let addSeals: CInt = 1033
private let getSeals: CInt = 1034
private let sealShrink: CInt = 2
private let sealGrow: CInt = 4
private let keepSize: CInt = 1
private let punchHole: CInt = 2
