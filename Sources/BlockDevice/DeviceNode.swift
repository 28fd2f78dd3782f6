// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The node of a kernel device.
package enum DeviceNode {
  /// The path of a device by its index, as in "/dev/nbd3".
  package static func path(_ index: Int) -> String { "/dev/nbd\(index)" }

  /// The path of a partition, as in "/dev/nbd3p1", or of the whole device.
  package static func path(_ index: Int, partition: Int?) -> String {
    path(index) + (partition.map { "p\($0)" } ?? "")
  }
}
