// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Chooses the next block of an export.
struct AccessPattern: Sendable {
  private let blocks: UInt64
  private let isSequential: Bool
  private var following: UInt64 = 0

  /// Starts a pattern; there must be at least one block.
  init(_ blocks: UInt64, isSequential: Bool) {
    self.blocks = blocks
    self.isSequential = isSequential
  }

  /// Returns the next block in order, after the last the first again, or a random one; skips blocks
  /// that are taken, which must not be all.
  mutating func next(except isTaken: (UInt64) -> Bool = { _ in false }) -> UInt64 {
    var place = isSequential ? following : .random(in: 0..<blocks)
    while isTaken(place) { place = after(place) }
    following = after(place)
    return place
  }

  private func after(_ place: UInt64) -> UInt64 { place + 1 == blocks ? 0 : place + 1 }
}
