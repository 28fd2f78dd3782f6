// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import Dispatch

/// What is mounted: looked at once in a turn of the loop, however many devices are told of in it.
enum Mounts {
  private static var table: MountTable?

  static var now: MountTable {
    if let table { return table }
    let table = MountTable()
    self.table = table
    // What a thread has mounted meanwhile is told behind this.
    DispatchQueue.main.async { self.table = nil }
    return table
  }
}
