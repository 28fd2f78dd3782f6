// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD
internal import Transport

/// Reads a range in order with several requests in flight, and none for what the server reports as
/// zeroes.
struct Copy {
  private static let depth = 8
  private static let window: UInt64 = 256 << 20

  private let transmission: Transmission<ServerStream>
  private let range: Range<UInt64>
  private let block: UInt64
  private let interrupt: Wakeup
  private var size: RequestSize
  private var tellsZeroes: Bool

  /// A request that is in flight, or whose reply waits for that of an earlier one.
  private struct Turn {
    let cookie: Cookie
    let start: ContinuousClock.Instant
    var pieces: [Piece]?
  }

  /// Prepares a copy; a server that sends nothing for `time` counts as unreachable.
  init(
    _ transmission: Transmission<ServerStream>, _ range: Range<UInt64>, time: Duration,
    _ interrupt: Wakeup
  ) {
    self.transmission = transmission
    self.range = range
    self.interrupt = interrupt
    let export = transmission.terms.export
    block = UInt64(export.blockSizes?.minimum ?? 1)
    size = RequestSize(
      block: block, most: min(export.largestPayload, 1 << 20), depth: Self.depth, time: time)
    tellsZeroes = !transmission.terms.contexts.isEmpty
  }

  mutating func run(into sink: inout SparseOutput) throws(Failure) {
    // Requests cover whole blocks; what lies outside the range is left out.
    let end = (range.upperBound + block - 1) / block * block
    var place = range.lowerBound / block * block
    while place < end, !range.isEmpty {
      let part = place..<min(end, place + Self.window)
      for zeroes in try zeroes(in: part) {
        try read(place..<zeroes.lowerBound, into: &sink)
        let length = zeroes.upperBound - zeroes.lowerBound
        try emit(Piece(offset: zeroes.lowerBound, content: .hole(length)), into: &sink)
        place = zeroes.upperBound
      }
      try read(place..<part.upperBound, into: &sink)
      place = part.upperBound
    }
  }

  /// Returns the blocks of a part that the server reports as zeroes; none if it does not report
  /// them, or fails to.
  ///
  /// A server may report smaller pieces than may be read. A block with any byte of data counts as
  /// data.
  private mutating func zeroes(in part: Range<UInt64>) throws(Failure) -> [Range<UInt64>] {
    guard tellsZeroes else { return [] }
    var zeroes: [Range<UInt64>] = []
    do throws(TransmissionError) {
      let length = part.upperBound - part.lowerBound
      try transmission.blockStatus(offset: part.lowerBound, length: length) { _, extent in
        guard extent.isZero else { return true }
        if let last = zeroes.last, last.upperBound == extent.offset {
          zeroes[zeroes.count - 1] = last.lowerBound..<extent.end
        } else {
          zeroes.append(extent.offset..<extent.end)
        }
        return true
      }
    } catch {
      guard case .failed = error.reason else { throw Failure(error) }
      tellsZeroes = false
      return []
    }
    return zeroes.compactMap { zeroes in
      let begin = (zeroes.lowerBound + block - 1) / block * block
      let end = zeroes.upperBound / block * block
      return begin < end ? begin..<end : nil
    }
  }

  /// Reads a part; replies that come early wait for their turn, so that at most `depth` pieces are
  /// held.
  private mutating func read(
    _ part: Range<UInt64>, into sink: inout SparseOutput
  ) throws(Failure) {
    var asked = part.lowerBound
    var turns: [Turn] = []
    while asked < part.upperBound || !turns.isEmpty {
      while asked < part.upperBound, turns.count < Self.depth {
        let length = min(size.bytes, part.upperBound - asked)
        let cookie = try submit(Request(.read, offset: asked, length: length))
        turns.append(Turn(cookie: cookie, start: .now))
        asked += length
      }
      let (cookie, pieces) = try next()
      guard let index = turns.firstIndex(where: { $0.cookie == cookie }) else { continue }
      turns[index].pieces = pieces
      size.adapt(to: turns[index].start.duration(to: .now))
      while let pieces = turns.first?.pieces {
        turns.removeFirst()
        for piece in pieces { try emit(piece, into: &sink) }
      }
      if interrupt.isSignalled { throw Failure("interrupted") }
    }
  }

  private func submit(_ request: Request) throws(Failure) -> Cookie {
    do throws(TransmissionError) {
      return try transmission.submit(request)
    } catch {
      throw Failure(error)
    }
  }

  private func next() throws(Failure) -> (Cookie, [Piece]) {
    guard let completion = transmission.next() else { throw Failure("no reply is awaited") }
    do throws(TransmissionError) {
      guard case .data(let pieces) = try completion.result.get() else {
        return (completion.cookie, [])
      }
      return (completion.cookie, pieces)
    } catch {
      throw Failure(error)
    }
  }

  /// Writes what part of a piece is in the range.
  private func emit(_ piece: Piece, into sink: inout SparseOutput) throws(Failure) {
    let begin = max(piece.offset, range.lowerBound)
    let end = min(piece.offset + piece.length, range.upperBound)
    guard begin < end else { return }
    switch piece.content {
    case .hole: try sink.writeZeroes(end - begin)
    case .data(let bytes):
      try sink.write(bytes[Int(begin - piece.offset)..<Int(end - piece.offset)])
    }
  }
}
