// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc

/// An open file descriptor, closed with the last reference to it.
///
/// Closing a block device can block; let the last reference end on a thread that may block.
package final class Descriptor: Sendable {
  package let number: CInt

  /// Takes over a descriptor that is open.
  package init(owning number: CInt) {
    self.number = number
  }

  deinit {
    close(number)
  }

  /// Lets this process open as many files as it may at most.
  ///
  /// The corresponding C function is `setrlimit`.
  package static func raiseLimit() {
    let resource = __rlimit_resource(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    guard unsafe getrlimit(resource, &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    unsafe setrlimit(resource, &limit)
  }

  /// Opens a file; other programs do not inherit the descriptor.
  ///
  /// ENOENT: there is none; EACCES: it may not be opened in this mode; EBUSY, with `O_EXCL`: the
  /// block device is in use. Blocks for a FIFO without another end, unless the flags say otherwise.
  /// The corresponding C function is `open`.
  package static func open(_ path: String, _ flags: CInt) throws(SystemError) -> Descriptor {
    Descriptor(owning: try check("open \(path)") { unsafe Glibc.open(path, flags | O_CLOEXEC) })
  }

  /// Opens a regular file to read it.
  ///
  /// Anything else is refused, unopened: a FIFO or a terminal would block the thread until
  /// something is written, and some devices act when they are opened. EISDIR: it is a directory;
  /// `notAFile`: it is something else. The corresponding C functions are `stat` and `open`.
  package static func openFile(_ path: String) throws(SystemError) -> Descriptor {
    var status = stat()
    try check("open \(path)") { unsafe stat(path, &status) }
    try requireFile(status, path)
    // It may be another file by now: O_NONBLOCK so that opening a FIFO does not block.
    let file = try open(path, O_RDONLY | O_NONBLOCK)
    try check("fstat \(path)") { unsafe fstat(file.number, &status) }
    try requireFile(status, path)
    return file
  }

  private static func requireFile(_ status: stat, _ path: String) throws(SystemError) {
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw SystemError("open \(path)", EISDIR)
    default: throw SystemError("open \(path)", SystemError.notAFile)
    }
  }

  /// A second descriptor for a file that the process was started with, such as standard output.
  ///
  /// EBADF: it was started without it. The corresponding C function is `fcntl` with `F_DUPFD_CLOEXEC`.
  package static func inherited(_ number: CInt) throws(SystemError) -> Descriptor {
    let copy = fcntl(number, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0 else { throw SystemError("dup", errno) }
    return Descriptor(owning: copy)
  }

  /// Writes what is buffered in the kernel to the file or device.
  ///
  /// Blocks until it is there. EIO: it cannot be written, and may be lost; EINVAL: there is nothing to write
  /// to, as for a pipe. The corresponding C function is `fsync`.
  package func synchronize() throws(SystemError) {
    try check("fsync") { fsync(number) }
  }

  /// Writes what is buffered in the kernel for the whole file system that a file is on.
  ///
  /// Blocks until it is there. EIO: it cannot be written, and may be lost. The corresponding C function is `syncfs`.
  package func synchronizeFileSystem() throws(SystemError) {
    try check("syncfs") { syncfs(number) }
  }

  /// Makes reads and writes block, or not, for all descriptors of this open file.
  ///
  /// The corresponding C function is `fcntl` with `F_SETFL`.
  package func setBlocking(_ blocking: Bool) throws(SystemError) {
    let flags = try check("fcntl") { fcntl(number, F_GETFL) }
    let wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK
    try check("fcntl") { fcntl(number, F_SETFL, wanted) }
  }

  /// Takes an advisory lock on the file, or returns false if it is held elsewhere.
  ///
  /// udevd leaves a block device alone while it is locked. The lock ends with the last descriptor of this
  /// open file. Does not block. The corresponding C function is `flock`.
  package func tryLock() -> Bool {
    flock(number, LOCK_EX | LOCK_NB) == 0
  }

  /// Takes an advisory lock on the file, and waits until nobody else holds it.
  ///
  /// Blocks. The corresponding C function is `flock`.
  package func lock() throws(SystemError) {
    try check("flock") { flock(number, LOCK_EX) }
  }

  /// Ends the stream of a socket both ways, without closing the descriptor.
  ///
  /// Does not block. Also for a socket that the kernel driver uses: it takes no lock of the driver, so it works
  /// when everything else would block (Linux 6.1). The corresponding C function is `shutdown`.
  package func shutDown() {
    shutdown(number, CInt(SHUT_RDWR))
  }

  /// Ends the sending side of a socket; what the peer sends can still be received.
  ///
  /// Does not block. The corresponding C function is `shutdown` with `SHUT_WR`.
  package func endSending() {
    shutdown(number, CInt(SHUT_WR))
  }
}
