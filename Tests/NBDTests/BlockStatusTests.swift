// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// What metadata contexts say about an export.
struct BlockStatusTests {
  static let agreed = terms(.structured, contexts: [allocation, bitmap])
  static let one = terms(.structured, contexts: [allocation])

  private static func status(
    _ id: UInt32, _ extents: [(UInt32, UInt32)], last: Bool = false
  ) -> [UInt8] {
    Wire.chunk(1, 5, Wire.status(id, extents), last: last)
  }

  private func ask(
    _ terms: Negotiated, _ script: [UInt8], flags: CommandFlags = []
  ) throws(TransmissionError) -> [BlockStatus] {
    let (transmission, _) = transmit(terms, script)
    let wanted = Request(.blockStatus, offset: 1024, length: 1024, flags: flags)
    guard case .status(let statuses) = try transmission.perform(wanted) else { return [] }
    return statuses
  }

  // Rows: T-070, T-071, T-078
  @Test func `comes for each context, in the order of the wish`() throws {
    let statuses = try ask(
      Self.agreed,
      Self.status(9, [(1024, 1)]) + Self.status(1, [(512, 0), (256, 3), (256, 0xfc)], last: true))
    #expect(statuses.map(\.context) == [allocation, bitmap])
    // The last one has no bit of a meaning, and is data like the first.
    #expect(
      statuses.first?.extents == [
        Extent(offset: 1024, length: 512, flags: 0), Extent(offset: 1536, length: 256, flags: 3),
        Extent(offset: 1792, length: 256, flags: 0),
      ])
    #expect(statuses.last?.extents == [Extent(offset: 1024, length: 1024, flags: 1)])
    #expect(statuses.first?.extents.map(\.isHole) == [false, true, false])
    #expect(statuses.first?.extents.map(\.isZero) == [false, true, false])
  }

  // Rows: T-075, T-077
  @Test(
    arguments: [
      ([(512, 1)], [512]), ([(512, 1), (100_000, 0)], [512, 100_000]),
      ([(0xffff_ffff, 1)], [(1 << 20) - 1024]), ([(1024, 1), (7, 0)], [1024]),
      ([(0xffff_ffff, 1), (0xffff_ffff, 0)], [(1 << 20) - 1024]),
      ([(512, 1), (512, 1)], [1024]),
    ] as [([(UInt32, UInt32)], [UInt64])])
  func `ends where the server, the request or the export does`(
    told: [(UInt32, UInt32)], lengths: [UInt64]
  ) throws {
    let statuses = try ask(Self.one, Self.status(1, told, last: true))
    #expect(statuses.first?.extents.map(\.length) == lengths)
    #expect(statuses.first?.end == 1024 + lengths.reduce(0, +))
  }

  // Rows: T-074
  @Test func `is one extent where one was asked for`() throws {
    let statuses = try ask(Self.one, Self.status(1, [(4096, 1)], last: true), flags: .reqOne)
    #expect(statuses.first?.extents == [Extent(offset: 1024, length: 1024, flags: 1)])
    let error = #expect(throws: TransmissionError.self) {
      try ask(Self.one, Self.status(1, [(512, 1), (512, 0)], last: true), flags: .reqOne)
    }
    #expect(error?.reason == .violation(.fragmented))
  }

  static let failures: [(String, [UInt8], TransmissionError.Reason)] = [
    ("T-070", Wire.chunk(1, 5, Server.bytes(1)), .violation(.chunkLength(5, 4))),
    (
      "T-070", Wire.chunk(1, 5, Wire.status(1, [(512, 0)]) + [0]), .violation(.chunkLength(5, 13))
    ),
    ("T-071", status(2, [(1024, 0)]), .violation(.unknownContext(2))),
    (
      "T-072", status(1, [(1024, 0)]) + status(1, [(1024, 0)]), .violation(.repeatedContext(1))
    ),
    ("T-073", status(1, [(512, 0), (0, 1)]), .violation(.emptyExtent)),
    ("T-076", Wire.chunk(1, 0, last: true), .statusMissing("base:allocation")),
    ("T-076", status(1, [(1024, 0)], last: true), .statusMissing("qemu:dirty-bitmap:b0")),
    ("T-080", Wire.simple(1), .violation(.simpleReply)),
    ("T-080", Wire.simple(1, error: 22), .failed(ServerFailure(code: 22))),
    (
      "T-055", status(1, [(1024, 0)]) + Wire.chunk(1, 0x8001, Wire.error(5, "a"), last: true),
      .failed(ServerFailure(code: 5, text: "a"))
    ),
    ("T-081", Wire.chunk(1, 5, announcing: 0xffff_fffc), .violation(.chunkLength(5, 0xffff_fffc))),
    (
      "T-081", Wire.chunk(1, 5, announcing: 4 + 8 * (1 << 20) + 8),
      .violation(.chunkLength(5, 4 + 8 * (1 << 20) + 8))
    ),
    ("T-052", Wire.chunk(1, 6, Wire.wideStatus(1, [(512, 0)])), .violation(.chunkType(6))),
    ("T-052", Wire.chunk(1, 1, Wire.data(1024, [1])), .violation(.chunkType(1))),
    (
      "T-023", Array(status(1, [(512, 0), (512, 1)]).dropLast()),
      .receiving(.ended(received: 15), awaiting: "a block status")
    ),
  ]

  // Rows: T-023, T-052, T-055, T-060, T-070, T-071, T-072, T-073, T-076, T-080, T-081
  @Test(arguments: failures)
  func `is refused where it cannot be`(
    rows: String, script: [UInt8], reason: TransmissionError.Reason
  ) {
    let error = #expect(throws: TransmissionError.self, "\(rows)") {
      try ask(Self.agreed, script)
    }
    #expect(error?.reason == reason)
  }

  // Rows: T-060, T-081
  @Test func `is kept only in part where it is very long`() throws {
    let extents = (0..<100_000).map { (UInt32(1), UInt32($0 % 2)) }
    let (transmission, stream) = transmit(
      terms(.structured, contexts: [allocation]), Self.status(1, extents, last: true))
    let outcome = try transmission.perform(Request(.blockStatus, length: 1 << 20))
    guard case .status(let statuses) = outcome else { return }
    #expect(statuses.first?.extents.count == 65536)
    #expect(statuses.first?.end == 65536)
    #expect(stream.largestRead == 65536)
    #expect(stream.unread == [])
  }

  // MARK: of a range

  private func map(
    _ terms: Negotiated, _ script: [UInt8], offset: UInt64 = 0, length: UInt64 = 4096
  ) throws(TransmissionError) -> ([Extent], requests: Int) {
    let (transmission, stream) = transmit(terms, script)
    var extents: [Extent] = []
    try transmission.blockStatus(offset: offset, length: length) { _, extent in
      extents.append(extent)
      return true
    }
    return (extents, stream.sent.count / 28)
  }

  // Rows: T-077
  @Test func `goes on where a short answer ended`() throws {
    let (extents, requests) = try map(
      Self.one,
      Wire.chunk(1, 5, Wire.status(1, [(1024, 0), (512, 3)]), last: true)
        + Wire.chunk(2, 5, Wire.status(1, [(9999, 0)]), last: true))
    #expect(
      extents == [
        Extent(offset: 0, length: 1024, flags: 0), Extent(offset: 1024, length: 512, flags: 3),
        Extent(offset: 1536, length: 2560, flags: 0),
      ])
    #expect(requests == 2)
  }

  // The next question begins at a whole block, whatever the answer was.
  // Rows: T-004, T-077
  @Test func `asks for whole blocks, as far as all contexts have told`() throws {
    let sizes = BlockSizes(minimum: 512, preferred: 512, maximumPayload: 4096)
    let (extents, requests) = try map(
      terms(.structured, blockSizes: sizes, contexts: [allocation, bitmap]),
      Wire.chunk(1, 5, Wire.status(1, [(4096, 0)]))
        + Wire.chunk(1, 5, Wire.status(9, [(1000, 1)]), last: true)
        + Wire.chunk(2, 5, Wire.status(1, [(3584, 0)]))
        + Wire.chunk(2, 5, Wire.status(9, [(3584, 0)]), last: true))
    #expect(extents.map(\.offset) == [0, 0, 512, 512])
    #expect(extents.map(\.length) == [512, 512, 3584, 3584])
    #expect(requests == 2)
  }

  // Rows: T-077
  @Test func `does not go on for ever`() {
    let script = (1...2000).flatMap {
      Wire.chunk(UInt64($0), 5, Wire.status(1, [(1, UInt32($0 % 2))]), last: true)
    }
    let error = #expect(throws: TransmissionError.self) { try map(Self.one, script) }
    #expect(error?.reason == .noProgress)
    #expect(error?.endsConnection == false)
  }

  // Rows: T-005
  @Test(arguments: [22, 75])
  func `asks for less where that was too much`(code: UInt32) throws {
    let sizes = BlockSizes(minimum: 1, preferred: 512, maximumPayload: 2048)
    let (extents, requests) = try map(
      terms(.structured, blockSizes: sizes, contexts: [allocation]),
      Wire.simple(1, error: code)
        + Wire.chunk(2, 5, Wire.status(1, [(2048, 0)]), last: true)
        + Wire.chunk(3, 5, Wire.status(1, [(2048, 0)]), last: true))
    #expect(extents.map(\.length) == [2048, 2048])
    #expect(requests == 3)
  }

  // Rows: T-014, T-079
  @Test func `is all data where no context was agreed on`() throws {
    let (extents, requests) = try map(terms(.structured), [])
    #expect(extents == [Extent(offset: 0, length: 4096, flags: 0)])
    #expect(requests == 0)
  }

  // Rows: T-004
  @Test func `is not asked for beyond the export`() {
    let error = #expect(throws: TransmissionError.self) {
      try map(Self.one, [], offset: .max, length: 2)
    }
    #expect(error?.reason == .notSent(.outOfRange(exportSize: 1 << 20)))
  }
}
