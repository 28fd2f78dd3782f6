// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Reads of any size, which go out in as many pieces as the server needs, one after the other
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
    let whole = Request(.read, offset: offset, length: length)
    try checkRange(whole)
    var part = whole
    while part.offset < whole.end {
      part.length = min(terms.export.largestPayload, whole.end - part.offset)
      guard case .data(let pieces) = try perform(part), pieces.allSatisfy(sink) else { return }
      part.offset += part.length
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
}

extension TransmissionError {
  /// Whether the server may do it if it is asked for less at once (T-005).
  var asksForLess: Bool {
    guard case .failed(let failure) = reason else { return false }
    return failure.number == .overflow || failure.number == .invalid
  }
}
