// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The node of a kernel device.
package enum DeviceNode {
  /// The path of a device by its index, as in "/dev/nbd3".
  package static func path(_ index: Int) -> String {
    "/dev/nbd\(index)"
  }
}
