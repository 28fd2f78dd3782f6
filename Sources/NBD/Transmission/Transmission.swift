// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The transmission over a negotiated stream: requests go out, any number up to a bound is in flight,
/// and their replies come back in any order (T-012).
///
/// Used from one thread, which blocks only while a reply is awaited (T-032). Writes and reads may be in
/// flight together as long as either the data written or the data read fits the buffers of the
/// connection: while a request is being sent, no reply is read.
package final class Transmission<Stream: ByteStream> {
  /// The negotiated terms.
  package let terms: Negotiated
  /// How many requests may be in flight.
  package let mostInFlight: Int

  let stream: Stream
  var inFlight: [RequestInFlight] = []

  /// Completions that `next` has not returned yet.
  var ended: [Completion] = []

  /// Whether requests can be submitted: the connection has not ended, and the server has not announced
  /// that it will end it (T-029).
  package private(set) var isOpen = true

  private var isConnected = true
  private var nextCookie: Cookie

  /// Begins where the negotiation over `stream` ended.
  ///
  /// The first cookie is random by default, so that a reply to a request of an earlier connection is
  /// unlikely to be taken for a reply on this one (T-002).
  package init(
    _ terms: Negotiated, over stream: Stream, mostInFlight: Int = 16,
    firstCookie: Cookie = .random(in: .min ... .max)
  ) {
    self.terms = terms
    self.stream = stream
    self.mostInFlight = mostInFlight
    nextCookie = firstCookie
  }

  /// How many submitted requests have not been returned as completions.
  package var pending: Int { inFlight.count + ended.count }

  /// Sends a request, with the data of a write, and does not wait for its reply.
  ///
  /// Throws, and changes nothing, if the terms do not allow the request. If sending fails, the connection
  /// ends, and that is the only failure reported for this request (T-013).
  package func submit(
    _ request: Request, payload: [UInt8] = []
  ) throws(TransmissionError) -> Cookie {
    if let flaw = flaw(of: request, payload.count) {
      throw TransmissionError(request, .notSent(flaw))
    }
    let cookie = nextCookie
    nextCookie &+= 1
    let head = request.bytes(terms.replies, cookie)
    stream.beginStep()
    do {
      // Header and payload are adjacent on the wire (T-009), and small ones are sent in one call.
      if payload.count <= 16384 {
        try stream.write(head + payload)
      } else {
        try stream.write(head)
        try stream.write(payload)
      }
    } catch {
      drop(.sending(error))
      throw TransmissionError(request, .sending(error))
    }
    inFlight.append(RequestInFlight(cookie, request))
    return cookie
  }

  /// Waits for the next request to complete; returns nil if none is in flight.
  ///
  /// If the connection is lost, every request in flight fails with the reason (T-022, T-099). Each
  /// message gets a deadline of its own (T-033).
  package func next() -> Completion? {
    while ended.isEmpty, !inFlight.isEmpty {
      do throws(TransmissionError.Reason) {
        try receive()
      } catch {
        drop(error)
      }
    }
    return ended.isEmpty ? nil : ended.removeFirst()
  }

  /// Sends a disconnect request without waiting (T-095, T-097).
  ///
  /// Requests in flight fail, which `next` reports (T-096). After a violation, or if the connection is
  /// lost, nothing is sent (T-098).
  package func disconnect() {
    guard isConnected else { return }
    stream.beginStep()
    try? stream.write(RequestHeader.disconnect(terms.replies))
    drop(.abandoned)
  }

  /// Completes a request in flight.
  func finish(_ index: Int) {
    let completion = inFlight.remove(at: index).completion(under: terms)
    ended.append(completion)
    if case .failure(let error) = completion.result, case .failed(let failure) = error.reason,
      failure.number == .shutdown
    {
      isOpen = false
    }
    // The server is shutting down: once all its replies are in, it gets the disconnect it awaits (T-029).
    if !isOpen, inFlight.isEmpty { disconnect() }
  }

  /// Ends the connection, and every request in flight with it.
  private func drop(_ reason: TransmissionError.Reason) {
    isOpen = false
    isConnected = false
    ended += inFlight.map {
      Completion(
        cookie: $0.cookie, request: $0.request,
        result: .failure(TransmissionError($0.request, reason)))
    }
    inFlight = []
  }

  private func flaw(of request: Request, _ payloadByteCount: Int) -> RequestFlaw? {
    guard isOpen else { return .closed }
    if let flaw = request.flaw(under: terms, payloadByteCount: payloadByteCount) { return flaw }
    guard pending < mostInFlight else { return .tooManyInFlight(mostInFlight) }
    // Which of the two would win is undefined (T-012).
    guard request.command.changesData else { return nil }
    let other = inFlight.first { $0.request.command.changesData && $0.request.overlaps(request) }
    return other == nil ? nil : .overlapsWrite
  }
}
