// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Requests of any size, which go out in as many pieces as the server needs, one after the other
/// (T-005).
extension Transmission {
  /// Does one request, and waits until it has ended.
  package func perform(
    _ request: Request, payload: [UInt8] = []
  ) throws(TransmissionError) -> Completion.Outcome {
    let cookie = try submit(request, payload: payload)
    var others: [Completion] = []
    defer { ended = others + ended }
    while let completion = next() {
      if completion.cookie == cookie { return try completion.result.get() }
      others.append(completion)
    }
    throw TransmissionError(request, .abandoned)
  }

  /// Reads a range; `sink` gets its pieces in order, and says whether it wants more.
  package func read(
    offset: UInt64, length: UInt64, into sink: (Piece) -> Bool
  ) throws(TransmissionError) {
    try inPieces(.read, offset, length, atMost: terms.export.largestPayload) {
      (piece) throws(TransmissionError) in
      guard case .data(let pieces) = try perform(piece) else { return true }
      return pieces.allSatisfy(sink)
    }
  }

  /// Writes bytes.
  package func write(
    _ bytes: [UInt8], at offset: UInt64, flags: CommandFlags = []
  ) throws(TransmissionError) {
    let most = terms.export.largestPayload
    try inPieces(.write, offset, UInt64(bytes.count), flags, atMost: most) {
      (piece) throws(TransmissionError) in
      let begin = Int(piece.offset - offset)
      let payload =
        piece.length == bytes.count ? bytes : Array(bytes[begin..<(begin + Int(piece.length))])
      _ = try perform(piece, payload: payload)
      return true
    }
  }

  /// Makes a range read as zeroes, by writing them where the server knows no better (T-008).
  package func writeZeroes(
    offset: UInt64, length: UInt64, flags: CommandFlags = []
  ) throws(TransmissionError) {
    guard !terms.export.flags.contains(.sendWriteZeroes) else {
      return try sweep(.writeZeroes, offset, length, flags)
    }
    let most = min(terms.export.largestPayload, 1 << 20)
    let zeroes = [UInt8](repeating: 0, count: Int(min(most, length)))
    let kept = flags.intersection(.fua)
    try inPieces(.write, offset, length, kept, atMost: most) {
      (piece) throws(TransmissionError) in
      let isWhole = piece.length == zeroes.count
      _ = try perform(
        piece, payload: isWhole ? zeroes : Array(zeroes.prefix(Int(piece.length))))
      return true
    }
  }

  /// Tells that a range is not needed any more; where the server knows no such thing that is no
  /// failure (T-008).
  package func trim(
    offset: UInt64, length: UInt64, flags: CommandFlags = []
  ) throws(TransmissionError) {
    guard terms.export.flags.contains(.sendTrim) else { return }
    try sweep(.trim, offset, length, flags)
  }

  /// Tells that a range will be read soon; where the server knows no such thing that is no failure.
  package func cache(offset: UInt64, length: UInt64) throws(TransmissionError) {
    guard terms.export.flags.contains(.sendCache) else { return }
    try sweep(.cache, offset, length, [])
  }

  /// Waits until all that was written is on stable storage; false says that the server offers no such
  /// promise (T-008).
  package func flush() throws(TransmissionError) -> Bool {
    guard terms.export.flags.contains(.sendFlush) else { return false }
    _ = try perform(Request(.flush))
    return true
  }

  /// Does something that carries no data to a range: at once, or in pieces where that is too much.
  private func sweep(
    _ command: Command, _ offset: UInt64, _ length: UInt64, _ flags: CommandFlags
  ) throws(TransmissionError) {
    try checkRange(Request(command, offset: offset, length: length, flags: flags))
    var most = longestSweep
    var done: UInt64 = 0
    while done < length {
      let piece = Request(
        command, offset: offset + done, length: min(most, length - done), flags: flags)
      do {
        _ = try perform(piece)
        done += piece.length
      } catch {
        guard error.asksForLess, piece.length > terms.export.largestPayload else { throw error }
        most = terms.export.largestPayload
      }
    }
  }

  /// The most that one request without data is about, in whole blocks of any size.
  var longestSweep: UInt64 { terms.replies == .extended ? 1 << 62 : 1 << 31 }

  /// Refuses a range that is not wholly in the export, before a part of it is dealt with (T-004).
  func checkRange(_ whole: Request) throws(TransmissionError) {
    let size = terms.export.sizeBytes
    guard whole.offset <= size, whole.length <= size - whole.offset else {
      throw TransmissionError(whole, .notSent(.outOfRange(exportSize: size)))
    }
  }

  private func inPieces(
    _ command: Command, _ offset: UInt64, _ length: UInt64, _ flags: CommandFlags = [],
    atMost most: UInt64,
    _ body: (Request) throws(TransmissionError) -> Bool
  ) throws(TransmissionError) {
    let whole = Request(command, offset: offset, length: length, flags: flags)
    try checkRange(whole)
    var piece = whole
    while piece.offset < whole.end {
      piece.length = min(most, whole.end - piece.offset)
      guard try body(piece) else { return }
      piece.offset += piece.length
    }
  }
}

extension TransmissionError {
  /// Whether the server may do it if it is asked for less at once (T-005).
  var asksForLess: Bool {
    guard case .failed(let failure) = reason else { return false }
    return failure.number == .overflow || failure.number == .invalid
  }
}
