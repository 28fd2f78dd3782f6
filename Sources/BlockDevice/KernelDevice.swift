// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
package import Linux

/// A kernel device that nbdd attaches and serves, by whatever interface the driver has for it.
///
/// The thread that calls `configure` also calls `run`. The object keeps the node open as long as it
/// exists.
package protocol KernelDevice: AnyObject, Sendable {
  /// The driver's interface, as the control interface names it, such as "ioctl".
  var interface: String { get }
  var index: Int { get }
  /// The open node, as another process can use it as well.
  var node: Descriptor { get }

  /// Hands connected sockets and the geometry to the driver.
  ///
  /// EBUSY means that another program is setting this device up. After any error the driver has
  /// returned the sockets.
  func configure(_ sockets: [Descriptor], _ geometry: DeviceGeometry) throws(SystemError)

  /// Serves the device until it is disconnected or its connection is lost; blocks until then.
  ///
  /// `clear` must follow at once, or requests stay stuck.
  func run() -> DeviceEnd

  /// True once the device that a thread serves has its size.
  func isUp(servedBy thread: Int) -> Bool

  /// Sends the server a disconnect request, and ends `run` if the server then closes the
  /// connection.
  ///
  /// Can block, even beyond SIGKILL, while the connection accepts no bytes; `Descriptor.shutDown`
  /// on the socket ends that.
  func disconnect() throws(SystemError)

  /// Fails what is in flight and forgets the sockets; errors are ignored.
  func clear()

  /// Grows the device, while it is served and its requests get replies.
  ///
  /// Blocks until the requests under way have their replies (Linux 6.9 and later).
  func grow(toBlocks count: UInt64) throws(SystemError)

  /// Sets the size to 0, so that a program that opens the device from now on has nothing to read.
  ///
  /// For a device that is not in use: udev opens it at every change, and would otherwise read from
  /// a connection that has just ended, which the kernel log shows as I/O errors.
  func empty() throws(SystemError)

  /// Undoes `blockdev --setro`, which outlives the attachment that it was meant for.
  func allowWrites()
}

/// Why a kernel device is no longer served.
package enum DeviceEnd: Sendable {
  /// The driver ended it in an orderly way, as it also seems to after a lost connection.
  case orderly
  /// A signal reached the thread: nbdd was stopped and continued, traced or frozen.
  case interrupted
  case failed(SystemError)
}

/// The kernel's nbd driver.
package enum KernelDriver {
  /// Takes the node of a device that another thread has set up.
  package static func adopt(_ node: Descriptor, _ index: Int) -> any KernelDevice {
    IOCTLDevice(node, index)
  }

  /// Opens the node of a device, which changes nothing on the device.
  package static func open(_ index: Int) throws(SystemError) -> any KernelDevice {
    try IOCTLDevice(opening: index)
  }
}
