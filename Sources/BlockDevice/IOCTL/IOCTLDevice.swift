// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import CLinux
internal import Glibc
package import Linux

/// /dev/nbdN, attached by ioctl (Linux 6.1 and 6.12).
///
/// The driver remembers the thread that set a device up and refuses others. The object keeps the node
/// open, because an open descriptor is the only sure way to end a device whose connection is stuck:
/// opening it again could block for ever.
package final class IOCTLDevice: KernelDevice {
  package let interface = "ioctl"
  package let index: Int
  package let node: Descriptor

  /// Takes an open node.
  init(_ node: Descriptor, _ index: Int) {
    (self.node, self.index) = (node, index)
  }

  /// Opens the node.
  ///
  /// That alone changes nothing on the device.
  package init(opening index: Int) throws(SystemError) {
    self.index = index
    node = try Descriptor.open(DeviceNode.path(index), O_RDWR)
  }

  package func configure(
    _ sockets: [Descriptor], _ geometry: DeviceGeometry
  ) throws(SystemError) {
    // If this fails, nothing has been handed over yet: the driver's sockets are another program's.
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
      clear()
      throw error
    }
  }

  package func run() -> DeviceEnd {
    // No retry after EINTR: the driver has shut the sockets down by then.
    guard ioctl(node.number, .doIt, 0) == -1 else { return .orderly }
    let code = errno
    return switch code {
    // An orderly disconnect used to return this.
    case EPIPE: .orderly
    case EBUSY: .interrupted
    default: .failed(SystemError("NBD_DO_IT", code))
    }
  }

  package func isUp(servedBy thread: Int) -> Bool {
    Sysfs.attacher(of: index) == thread && Sysfs.sizeBytes(of: index) > 0
  }

  package func clear() {
    _ = ioctl(node.number, .clearSocket, 0)
  }

  package func empty() throws(SystemError) {
    try request("NBD_SET_SIZE_BLOCKS", .setSizeInBlocks, 0)
  }

  package func allowWrites() {
    _ = makeWritable(node.number)
  }

  package func grow(toBlocks count: UInt64) throws(SystemError) {
    try request("NBD_SET_SIZE_BLOCKS", .setSizeInBlocks, UInt(count))
  }

  package func disconnect() throws(SystemError) {
    try request("NBD_DISCONNECT", .disconnect, 0)
  }

  private func request(
    _ name: String, _ request: DeviceRequest, _ argument: UInt
  ) throws(SystemError) {
    try check(name) { ioctl(node.number, request, argument) }
  }
}
