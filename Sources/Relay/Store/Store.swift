// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux

/// Memory for the data of requests, in blocks.
struct Store {
  let region: Region
  var pages: Pages

  init(byteCount: Int) throws(SystemError) {
    region = try Region(byteCount: byteCount)
    pages = Pages(byteCount: byteCount)
  }

  /// Reserves a block of that many bytes; nil if there is no such contiguous room now.
  mutating func reserve(_ byteCount: Int) -> Pages.Block? { pages.reserve(byteCount) }

  /// Makes a block available to others.
  mutating func release(_ block: Pages.Block) { pages.release(block) }

  /// Returns memory that was not needed lately to the system.
  mutating func giveBackIdle() { region.giveBack(pages.takeIdle()) }
}
