// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD
internal import TestSupport

/// Random requests, several at a time, with a copy of what the disk has to have.
///
/// No two are under way for the same bytes, as the kernel does it.
final class Load {
  private struct Entry {
    var kernel: Int
    var cookie: Cookie
    var range: Range<Int>
    /// What a read has to bring.
    var data: [UInt8]?
  }

  /// How many requests have been answered.
  private(set) var count = 0
  private let kernels: [KernelSide]
  private var random: SplitMix
  private var disk: [UInt8]
  /// Requests have up to 512 bytes times two to the power of `largest`, and so many are under way at a time.
  private let largest: Int
  private let depth: Int
  private var underWay: [Entry] = []
  private var names = 0

  private let flushes: Bool

  init(
    _ kernels: [KernelSide], seed: UInt64, flushes: Bool = true, diskByteCount: Int = 2 << 20,
    largest: Int = 6, depth: Int = 24
  ) {
    disk = [UInt8](repeating: 0, count: diskByteCount)
    (self.largest, self.depth) = (largest, depth)
    self.kernels = kernels
    self.flushes = flushes
    random = SplitMix(seed: seed)
  }

  /// Keeps requests under way for a time.
  func run(for time: Duration) throws {
    let deadline = ContinuousClock.now + time
    while ContinuousClock.now < deadline {
      while underWay.count < depth { try submit() }
      try collect()
    }
  }

  /// Carries out so many requests; `attend` is called in between.
  func run(
    count: Int, within time: Duration = patience, _ attend: () throws -> Void
  ) throws {
    let deadline = ContinuousClock.now + time
    var submitted = 0
    while submitted < count {
      guard ContinuousClock.now < deadline else { throw Wrong("\(underWay.count) not answered") }
      while underWay.count < depth, submitted < count {
        let before = underWay.count
        try submit()
        submitted += underWay.count - before
      }
      try collect()
      try attend()
    }
  }

  /// Waits for all that is under way, and checks the whole disk.
  func finish(
    within time: Duration = patience, _ attend: () throws -> Void = {}
  ) throws {
    let deadline = ContinuousClock.now + time
    while !underWay.isEmpty {
      guard ContinuousClock.now < deadline else { throw Wrong("\(underWay.count) not answered") }
      try collect()
      try attend()
    }
    let cookie = try kernels[0].read(0, disk.count)
    while try !kernels[0].isAnswered(cookie, within: .milliseconds(5)) {
      guard ContinuousClock.now < deadline + time else { throw Wrong("the disk is not read") }
      try attend()
    }
    guard try kernels[0].answer(cookie)?.data.isSame(as: disk) == true else {
      throw Wrong("the disk is another one")
    }
    guard kernels.allSatisfy({ $0.awaitedCount == 0 }) else { throw Wrong("something is left") }
  }

  private func submit() throws {
    let size = 512 << Int.random(in: 0...largest, using: &random)
    let start = Int.random(in: 0...((disk.count - size) / 512), using: &random) * 512
    let range = start..<(start + size)
    guard !underWay.contains(where: { $0.range.overlaps(range) }) else { return }
    let index = Int.random(in: 0..<kernels.count, using: &random)
    let kernel = kernels[index]
    let offset = UInt64(start)
    var entry = Entry(kernel: index, cookie: 0, range: range)
    switch Int.random(in: 0..<20, using: &random) {
    case 0 where flushes:
      entry.range = 0..<0
      entry.cookie = try kernel.submit(.flush)
    case 0...2:
      entry.cookie = try kernel.submit(.writeZeroes, offset, size)
      disk.replaceSubrange(range, with: repeatElement(0, count: size))
    case 3..<11:
      names += 1
      let data = [UInt8].pattern(names, size)
      entry.cookie = try kernel.write(offset, data, flushes && names % 7 == 0 ? .fua : [])
      disk.replaceSubrange(range, with: data)
    default:
      entry.data = Array(disk[range])
      entry.cookie = try kernel.read(offset, size)
    }
    underWay.append(entry)
  }

  private func collect() throws {
    for kernel in kernels { try kernel.turn(kernels.count == 1 ? 1 : 0) }
    for (index, entry) in underWay.enumerated().reversed() {
      guard let answer = kernels[entry.kernel].takeAnswer(entry.cookie) else { continue }
      guard answer.error == 0 else { throw Wrong("error \(answer.error)") }
      if let data = entry.data, !answer.data.isSame(as: data) {
        throw Wrong("other data at \(entry.range.lowerBound)")
      }
      underWay.remove(at: index)
      count += 1
    }
  }
}
