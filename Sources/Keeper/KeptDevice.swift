// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Linux

/// What outlives nbdd of a device.
package struct KeptDevice: Sendable {
  package var name: String
  /// The memory of the relay's Record.
  package var record: Descriptor
  /// The open device node.
  package var node: Descriptor
  /// The sockets between the kernel and the relay.
  package var sockets: [SocketPair]
  /// The id of the keeper's thread in NBD_DO_IT; 0 if the kernel does not serve the device.
  package var thread = 0
  /// Connections to the server, with their numbers.
  package var servers: [(number: Int, socket: Descriptor)] = []

  package init(name: String, record: Descriptor, node: Descriptor, sockets: [SocketPair]) {
    (self.name, self.record, self.node, self.sockets) = (name, record, node, sockets)
  }

  /// As they are sent.
  package var descriptors: [Descriptor] {
    [record, node] + sockets.flatMap { [$0.kernel, $0.ours] }
  }

  /// Nil if they are not those of a device.
  package init?(name: String, _ descriptors: [Descriptor]) {
    guard descriptors.count >= 4, descriptors.count % 2 == 0 else { return nil }
    self.init(
      name: name, record: descriptors[0], node: descriptors[1],
      sockets: stride(from: 2, to: descriptors.count, by: 2).map {
        SocketPair(kernel: descriptors[$0], ours: descriptors[$0 + 1])
      })
  }
}
