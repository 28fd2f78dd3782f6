// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Reads of any size, sent in as many pieces as the server needs, one after the other (T-005).
extension Transmission {
  /// Sends one request and waits for its completion.
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

  /// Reads a range; `sink` gets its pieces in order, and returns whether it wants more.
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

  /// The largest range of one request without data, in whole blocks of any size.
  var longestSweep: UInt64 { terms.replies == .extended ? 1 << 62 : 1 << 31 }

  /// Rejects a range that is not wholly in the export, before any part of it is processed (T-004).
  func checkRange(_ whole: Request) throws(TransmissionError) {
    let size = terms.export.sizeBytes
    guard whole.offset <= size, whole.length <= size - whole.offset else {
      throw TransmissionError(whole, .notSent(.outOfRange(exportSize: size)))
    }
  }
}

extension TransmissionError {
  /// Whether the server may succeed with smaller requests (T-005).
  var asksForLess: Bool {
    guard case .failed(let failure) = reason else { return false }
    return failure.number == .overflow || failure.number == .invalid
  }
}
