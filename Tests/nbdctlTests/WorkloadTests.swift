// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD
internal import Testing

@testable import nbdctl

struct LoadTests {
  @Test(arguments: [
    ([], ["1"], [4096: [1]]),
    (["64KiB"], [], [65536: [1, 16]]),
    (["4096,1MiB", "512B"], ["2,256"], [4096: [2, 256], 1 << 20: [2, 256], 512: [2, 256]]),
  ])
  func `combines each size with each depth`(
    _ sizes: [String], _ depths: [String], _ expected: [UInt64: [Int]]
  ) throws {
    let loads = try Workload.list(sizes, depths)
    let bySize = Dictionary(grouping: loads, by: \.blockBytes).mapValues { $0.map(\.depth) }
    #expect(bySize == expected)
  }

  @Test(arguments: ["", "0", "-1", "4k", "4KiB,", ",", "1e3", "9223372036854775807KiB"])
  func `refuses what is no size`(_ text: String) {
    let failure = #expect(throws: Failure.self) { try Workload.list([text], []) }
    #expect(failure?.status == 64)
  }

  @Test(arguments: ["", "0", "-1", "257", "1,x", "4KiB"])
  func `refuses what is no depth`(_ text: String) {
    let failure = #expect(throws: Failure.self) { try Workload.list([], [text]) }
    #expect(failure?.status == 64)
  }

  private static let sizes = BlockSizes(minimum: 4096, preferred: 4096, maximumPayload: 1_000_000)

  @Test(
    arguments: [
      (4096, 1, 4096, nil, nil),
      (4097, 1, 4096, nil, "has 4096 bytes"),
      (4096, 1, 0, nil, "has 0 bytes"),
      (32 << 20, 1, 64 << 20, nil, nil),
      (32 << 20 + 1, 1, 64 << 20, nil, "at most 33554432"),
      (512, 1, 1 << 20, sizes, "multiples of 4096"),
      (1 << 20, 1, 1 << 20, sizes, "at most 999424"),
      (4096, 256, 1 << 20, sizes, nil),
      (4096, 256, 1 << 19, sizes, "no room for 256 writes"),
    ] as [(UInt64, Int, UInt64, BlockSizes?, String?)])
  func `keeps to what the server says, and to the size`(
    _ blockBytes: UInt64, _ depth: Int, _ size: UInt64, _ sizes: BlockSizes?, _ expected: String?
  ) {
    let export = Export(name: "", sizeBytes: size, flags: .hasFlags, blockSizes: sizes)
    let load = Workload(blockBytes: blockBytes, depth: depth)
    let flaw = load.flaw(for: export, writes: true)
    #expect((flaw == nil) == (expected == nil))
    #expect(flaw?.contains(expected ?? "") ?? true, "\(flaw ?? "")")
  }

  @Test func `reads more blocks at once than there are`() {
    let export = Export(name: "", sizeBytes: 4096, flags: .hasFlags)
    #expect(Workload(blockBytes: 4096, depth: 16).flaw(for: export, writes: false) == nil)
  }
}
