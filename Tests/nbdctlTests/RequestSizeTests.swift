// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Testing

@testable import nbdctl

struct RequestSizeTests {
  private let time = Duration.seconds(30)

  private func sizes(
    _ size: RequestSize, _ elapsed: Duration, _ count: Int
  ) -> [UInt64] {
    var size = size
    return (0..<count).map { _ in
      size.adapt(to: elapsed)
      return size.bytes
    }
  }

  @Test func `grows while replies come soon, and shrinks where they do not`() {
    let size = RequestSize(block: 1, most: 1 << 20, depth: 2, time: time)
    #expect(size.bytes == 32 << 10)
    #expect(sizes(size, .seconds(1), 4) == [32 << 10, 64 << 10, 64 << 10, 128 << 10])
    #expect(sizes(size, .seconds(1), 20).last == 1 << 20)
    #expect(sizes(size, .seconds(4), 20).last == 32 << 10)
    #expect(sizes(size, .seconds(8), 4) == [32 << 10, 16 << 10, 16 << 10, 8 << 10])
    #expect(sizes(size, .seconds(8), 20).last == 8 << 10)
  }

  @Test func `stays in whole blocks, and within what the server sends`() {
    let odd = RequestSize(block: 4096, most: 5 * 4096, depth: 1, time: time)
    #expect(odd.bytes == 5 * 4096)
    #expect(sizes(odd, .seconds(8), 2) == [2 * 4096, 2 * 4096])
    let large = RequestSize(block: 65536, most: 65536, depth: 1, time: time)
    #expect(large.bytes == 65536)
    #expect(sizes(large, .seconds(8), 2) == [65536, 65536])
    let small = RequestSize(block: 1, most: 4096, depth: 1, time: time)
    #expect(small.bytes == 4096)
  }
}
