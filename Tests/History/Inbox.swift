// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux

/// Bytes that have come on a socket and wait to be taken.
struct Inbox {
  private static let byteCount = 128 << 10

  let region: Region
  private(set) var start = 0
  private var end = 0
  /// The peer sends nothing any more.
  private(set) var hasEnded = false

  init() throws(SystemError) {
    region = try Region(byteCount: Inbox.byteCount)
  }

  var count: Int { end - start }

  /// Receives what there is.
  mutating func receive(from socket: Descriptor) {
    if start > 0 {
      region.copy(count, from: region, at: start, to: 0)
      (start, end) = (0, count)
    }
    do throws(SystemError) {
      while !hasEnded, end < Inbox.byteCount,
        let count = try socket.receive(into: region, at: end, Inbox.byteCount - end)
      {
        end += count
        hasEnded = count == 0
      }
    } catch {
      hasEnded = true
    }
  }

  mutating func drop(_ count: Int) { start += count }

  mutating func removeAll() { (start, end) = (0, 0) }
}

extension [UInt8] {
  /// Appends a number in the order of the network.
  mutating func append(number: some FixedWidthInteger) {
    for shift in stride(from: number.bitWidth - 8, through: 0, by: -8) {
      append(UInt8(truncatingIfNeeded: number >> shift))
    }
  }
}
