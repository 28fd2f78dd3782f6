// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import CLinux
internal import Glibc
package import Linux

/// /dev/nbdN, attached by ioctl (Linux 6.1 and 6.12).
///
/// The thread that calls `configure` also calls `run`: the driver remembers who set a device up
/// and refuses others. The object keeps the node open, because an open descriptor is the only
/// sure way to end a device whose connection is stuck: opening it anew could block for ever.
package final class IOCTLDevice: Sendable {
  package let index: Int
  private let node: Descriptor

  /// Opens the node.
  ///
  /// That alone changes nothing on the device.
  package init(opening index: Int) throws(SystemError) {
    self.index = index
    node = try Descriptor.open(DeviceNode.path(index), O_RDWR)
  }

  /// Hands connected sockets and the geometry to the driver.
  ///
  /// EBUSY means that somebody else is setting this device up. After any error the sockets have
  /// been taken back.
  package func configure(
    _ sockets: [Descriptor], _ geometry: DeviceGeometry
  ) throws(SystemError) {
    // Whoever fails here has given nothing yet, so what is there is somebody else's.
    if let first = sockets.first { try request("NBD_SET_SOCK", .setSocket, UInt(first.number)) }
    do throws(SystemError) {
      for socket in sockets.dropFirst() {
        try request("NBD_SET_SOCK", .setSocket, UInt(socket.number))
      }
      try request("NBD_SET_BLKSIZE", .setBlockSize, UInt(geometry.blockSize))
      try request("NBD_SET_SIZE_BLOCKS", .setSizeInBlocks, UInt(geometry.blockCount))
      try request("NBD_SET_FLAGS", .setFlags, UInt(geometry.flags))
      try request("NBD_SET_TIMEOUT", .setTimeout, UInt(geometry.requestTimeoutSeconds))
    } catch {
      clearSocket()
      throw error
    }
  }

  /// Serves the device until it is disconnected or its connection is lost.
  ///
  /// Nil if the driver ended it in an orderly way, which a lost connection also looks like.
  /// Whatever it answers, `clearSocket` has to follow at once, or requests stay stuck.
  package func run() -> SystemError? {
    // No retry after EINTR: the driver has shut the sockets down by then.
    guard ioctl(node.number, .doIt, 0) == -1 else { return nil }
    let code = errno
    // What an orderly disconnect used to be called.
    return code == EPIPE ? nil : SystemError("NBD_DO_IT", code)
  }

  /// Fails what is in flight and forgets the socket.
  ///
  /// Errors are of no use to anybody.
  package func clearSocket() {
    _ = ioctl(node.number, .clearSocket, 0)
  }

  /// Takes the size away, so that who opens the device from now on finds nothing to read.
  ///
  /// For a device that nobody uses: udev opens it at every change, and would otherwise read from a
  /// connection that has just ended, which the kernel log shows as I/O errors.
  package func empty() throws(SystemError) {
    try request("NBD_SET_SIZE_BLOCKS", .setSizeInBlocks, 0)
  }

  /// Takes back what `blockdev --setro` does, which outlives the attachment that it was meant for.
  package func allowWrites() {
    _ = makeWritable(node.number)
  }

  /// Makes the device larger, while it is served and its requests are being answered.
  ///
  /// Blocks until those under way are (Linux 6.9 and later).
  package func grow(toBlocks count: UInt64) throws(SystemError) {
    try request("NBD_SET_SIZE_BLOCKS", .setSizeInBlocks, UInt(count))
  }

  /// Tells the server goodbye and ends `run`, if the server closes the connection then.
  ///
  /// Can block, even beyond SIGKILL, while the connection takes no bytes; `shutDownSocket` on
  /// the socket ends that.
  package func disconnect() throws(SystemError) {
    try request("NBD_DISCONNECT", .disconnect, 0)
  }

  private func request(
    _ name: String, _ request: DeviceRequest, _ argument: UInt
  ) throws(SystemError) {
    try check(name) { ioctl(node.number, request, argument) }
  }
}
