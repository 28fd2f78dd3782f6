// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// Memory for the data of requests, in blocks.
struct Store {
  let region: Region
  var pages: Pages
  /// Which steps of the region have memory for certain.
  private var steps: ContiguousArray<Bool>
  /// The system had no memory for a block.
  private(set) var isShort = false

  /// Memory is taken in steps of this many bytes: using a page for which there is none would end the process.
  private static let stepByteCount = 256 << 10

  init(_ region: Region) {
    self.region = region
    pages = Pages(byteCount: region.byteCount)
    let stepCount = (region.byteCount + Self.stepByteCount - 1) / Self.stepByteCount
    steps = ContiguousArray(repeating: false, count: stepCount)
  }

  /// Reserves a block of that many bytes; nil if there is no such contiguous room or no memory now.
  mutating func reserve(_ byteCount: Int) -> Pages.Block? {
    guard let block = pages.reserve(byteCount) else { return nil }
    isShort = !takeMemory(block.place..<block.place + max(1, byteCount))
    if isShort { pages.release(block) }
    return isShort ? nil : block
  }

  /// Reserves the block of that many bytes at a place; nil if it is not free.
  ///
  /// Its memory was taken before.
  mutating func reserve(_ byteCount: Int, at place: Int) -> Pages.Block? {
    pages.reserve(byteCount, at: place)
  }

  /// Makes a block available to others.
  mutating func release(_ block: Pages.Block) { pages.release(block) }

  /// Returns memory that was not needed lately to the system.
  mutating func giveBackIdle() {
    let range = pages.takeIdle()
    guard !range.isEmpty else { return }
    for step in range.lowerBound / Self.stepByteCount...(range.upperBound - 1) / Self.stepByteCount
    {
      steps[step] = false
    }
    region.giveBack(range)
  }

  private mutating func takeMemory(_ range: Range<Int>) -> Bool {
    for step in range.lowerBound / Self.stepByteCount...(range.upperBound - 1) / Self.stepByteCount
    where !steps[step] {
      let start = step * Self.stepByteCount
      let end = min(start + Self.stepByteCount, region.byteCount)
      guard region.take(start..<end) else { return false }
      steps[step] = true
    }
    return true
  }
}
