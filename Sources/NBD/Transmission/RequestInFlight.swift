// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A request that was sent, and what has arrived in reply so far.
struct RequestInFlight {
  let cookie: Cookie
  let request: Request

  private var chunks = 0
  private var contentChunks = 0
  private var coverage = Coverage()
  private var pieces: [Piece] = []
  private var statuses: [BlockStatus] = []
  private var failure: ServerFailure?

  init(_ cookie: Cookie, _ request: Request) {
    self.cookie = cookie
    self.request = request
  }

  /// Records the header of a chunk before its payload is read (T-060).
  mutating func begin(_ chunk: ReplyHeader.Chunk) throws(TransmissionError.Reason) {
    chunks += 1
    guard chunks <= request.mostChunks else {
      throw .violation(.tooManyChunks(limit: request.mostChunks))
    }
    if let violation = chunk.violation(answering: request) { throw .violation(violation) }
  }

  /// Records the range of data or of a hole before it is read (T-046, T-047, T-049, T-051).
  mutating func cover(_ offset: UInt64, _ length: UInt64) throws(TransmissionError.Reason) {
    guard length > 0, request.covers(offset, length) else {
      throw .violation(.outOfRange(offset: offset, length: length))
    }
    contentChunks += 1
    guard contentChunks == 1 || !request.flags.contains(.df) else { throw .violation(.fragmented) }
    guard coverage.insert(offset..<(offset + length)) else {
      throw .violation(.overlap(offset: offset, length: length))
    }
  }

  /// Keeps what arrived, unless the read has already failed (T-059, T-061).
  mutating func keep(_ piece: Piece) {
    if failure == nil { pieces.append(piece) }
  }

  /// Records an error; the first one counts (T-058).
  mutating func fail(_ failure: ServerFailure) throws(TransmissionError.Reason) {
    if let offset = failure.offset, !request.covers(offset, 1) {
      throw .violation(.errorOffset(offset))
    }
    if self.failure == nil { self.failure = failure }
    pieces = []
  }

  /// Begins the status of a context (T-071, T-072).
  mutating func beginStatus(_ id: UInt32, under terms: Negotiated) throws(TransmissionError.Reason)
  {
    guard let context = terms.contexts.first(where: { $0.id == id }),
      request.contexts.isEmpty || request.contexts.contains(id)
    else { throw .violation(.unknownContext(id)) }
    guard !statuses.contains(where: { $0.context.id == id }) else {
      throw .violation(.repeatedContext(id))
    }
    statuses.append(BlockStatus(context, answering: request, of: terms.export))
  }

  /// Records a descriptor of the status that was begun last (T-073).
  mutating func describe(_ length: UInt64, _ flags: UInt64) throws(TransmissionError.Reason) {
    guard length > 0 else { throw .violation(.emptyExtent) }
    statuses[statuses.count - 1].append(length, flags)
  }

  /// Returns the result of a complete reply (T-050, T-076).
  func completion(under terms: Negotiated) -> Completion {
    let result: Result<Completion.Outcome, TransmissionError>
    if let failure {
      result = .failure(TransmissionError(request, .failed(failure)))
    } else {
      switch request.command {
      case .read:
        let missing = coverage.missing(of: request.length)
        result =
          missing > 0
          ? .failure(TransmissionError(request, .uncovered(missing)))
          : .success(.data(pieces.sorted { $0.offset < $1.offset }))
      case .blockStatus:
        let expected = terms.contexts.filter {
          request.contexts.isEmpty || request.contexts.contains($0.id)
        }
        let told = expected.compactMap { context in
          statuses.first { $0.context.id == context.id }
        }
        let missing = expected.first { context in !told.contains { $0.context.id == context.id } }
        result =
          missing.map { .failure(TransmissionError(request, .statusMissing($0.name))) }
          ?? .success(.status(told))
      default:
        result = .success(.done)
      }
    }
    return Completion(cookie: cookie, request: request, result: result)
  }
}
