// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import Dispatch

/// The mount table, read once per turn of the loop, however many devices are reported.
enum Mounts {
  private static var table: MountTable?

  static var now: MountTable {
    if let table { return table }
    let table = MountTable()
    self.table = table
    // A mount that a thread makes meanwhile is reported after this.
    DispatchQueue.main.async { self.table = nil }
    return table
  }
}
