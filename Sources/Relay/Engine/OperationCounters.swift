// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import NBD
internal import Synchronization

/// What the requests of the kernel were and how long each took, by command; written by the relay's thread, read by any.
package final class OperationCounters: Sendable {
  /// The commands that are counted.
  package static let commands: [Command] = [.read, .write, .flush, .trim, .writeZeroes]
  /// The upper limits of the ranges of latencies, in microseconds; what took longer is in one more range.
  package static let latencyLimits = (0..<11).map { 64 << (2 * $0) }

  /// What is known about one command.
  package struct Totals: Sendable {
    /// Those that succeeded, in bytes of the device.
    package let bytes: Int
    /// The sum of all, in microseconds.
    package let latency: Int
    /// How many there were in each range.
    package let counts: [Int]
  }

  // For each command the bytes, the sum of latencies, and twelve ranges.
  private static let width = 14
  private let cells = InlineArray<70, Atomic<Int>> { _ in Atomic(0) }

  init() {}

  /// Counts a request that was replied to, after so many microseconds.
  func count(_ command: Command, bytes: Int, latency: Int64) {
    guard let row = Self.row(of: command) else { return }
    let latency = max(0, Int(latency))
    cells[row].add(bytes, ordering: .relaxed)
    cells[row + 1].add(latency, ordering: .relaxed)
    cells[row + 2 + Self.range(of: latency)].add(1, ordering: .relaxed)
  }

  /// The totals of a command.
  package func totals(of command: Command) -> Totals {
    let row = Self.row(of: command) ?? 0
    return Totals(
      bytes: cells[row].load(ordering: .relaxed), latency: cells[row + 1].load(ordering: .relaxed),
      counts: (2..<Self.width).map { cells[row + $0].load(ordering: .relaxed) })
  }

  private static func row(of command: Command) -> Int? {
    switch command {
    case .read: 0
    case .write: width
    case .flush: width * 2
    case .trim: width * 3
    case .writeZeroes: width * 4
    case .disconnect, .cache, .blockStatus, .resize: nil
    }
  }

  /// Each limit is four times the one before.
  static func range(of latency: Int) -> Int {
    let units = max(0, latency - 1) >> 6
    return min((Int.bitWidth - units.leadingZeroBitCount + 1) / 2, width - 3)
  }
}
