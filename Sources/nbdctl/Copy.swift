// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Connection
internal import NBD

/// Reads a range in order with several requests in flight, and none for what the server calls zeroes.
struct Copy {
  private static let depth = 8
  private static let window: UInt64 = 256 << 20

  private let transmission: Transmission<ServerStream>
  private let range: Range<UInt64>
  private let block: UInt64
  private var tellsZeroes: Bool

  init(_ transmission: Transmission<ServerStream>, _ range: Range<UInt64>) {
    self.transmission = transmission
    self.range = range
    block = UInt64(transmission.terms.export.blockSizes?.minimum ?? 1)
    tellsZeroes = !transmission.terms.contexts.isEmpty
  }

  mutating func run(into sink: OutputFile) throws(Failure) {
    // Requests are about whole blocks; what is beside the range is left out.
    let end = (range.upperBound + block - 1) / block * block
    var place = range.lowerBound / block * block
    while place < end, !range.isEmpty {
      let part = place..<min(end, place + Self.window)
      for extent in try extents(of: part) {
        if extent.isZero {
          try emit(Piece(offset: extent.offset, content: .hole(extent.length)), into: sink)
        } else {
          try read(extent.offset..<extent.end, into: sink)
        }
      }
      place = part.upperBound
    }
  }

  /// What the server says about a part; all is data to one that does not say, or fails to.
  private mutating func extents(of part: Range<UInt64>) throws(Failure) -> [Extent] {
    let length = part.upperBound - part.lowerBound
    let whole = Extent(offset: part.lowerBound, length: length, flags: 0)
    guard tellsZeroes else { return [whole] }
    var extents: [Extent] = []
    do throws(TransmissionError) {
      try transmission.blockStatus(offset: whole.offset, length: length) { _, extent in
        // What is data, hole or not, is read in one go.
        if let last = extents.last, last.isZero == extent.isZero {
          extents[extents.count - 1].length += extent.length
        } else {
          extents.append(extent)
        }
        return true
      }
    } catch {
      guard case .failed = error.reason else { throw Failure(error) }
      tellsZeroes = false
      return [whole]
    }
    return extents
  }

  /// Reads a part; what comes early waits for its turn, so that no more than `depth` pieces are held.
  private func read(_ part: Range<UInt64>, into sink: OutputFile) throws(Failure) {
    let most = max(block, min(transmission.terms.export.largestPayload, 1 << 20))
    var asked = part.lowerBound
    var turns: [Cookie] = []
    var early: [Cookie: [Piece]] = [:]
    while asked < part.upperBound || !turns.isEmpty {
      while asked < part.upperBound, turns.count < Self.depth {
        let length = min(most, part.upperBound - asked)
        turns.append(try submit(Request(.read, offset: asked, length: length)))
        asked += length
      }
      let (cookie, pieces) = try next()
      early[cookie] = pieces
      while let turn = turns.first, let pieces = early.removeValue(forKey: turn) {
        turns.removeFirst()
        for piece in pieces { try emit(piece, into: sink) }
      }
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

  /// Writes what of a piece is in the range.
  private func emit(_ piece: Piece, into sink: OutputFile) throws(Failure) {
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
