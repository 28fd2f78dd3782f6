// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// Requests and simple replies, and how a connection ends.
struct TransmissionTests {
  static let data = [UInt8](repeating: 7, count: 512)

  // Rows: T-020, T-024, T-027
  @Test func `reads data`() throws {
    let pieces = try read(.simple, Wire.simple(1, Self.data))
    #expect(pieces == [Piece(offset: 1024, content: .data(Self.data))])
    // Simple replies may mix with structured ones, but not for data.
    let (transmission, _) = transmit(terms(.structured), Wire.simple(1))
    #expect(try transmission.perform(Request(.flush)) == .done)
  }

  // Rows: T-012, T-025
  @Test func `takes replies in any order`() throws {
    let (transmission, _) = transmit(
      terms(),
      Wire.simple(3) + Wire.simple(2, [2]) + Wire.simple(1, [1, 1]))
    let first = try transmission.submit(Request(.read, offset: 0, length: 2))
    let second = try transmission.submit(Request(.read, offset: 9, length: 1))
    let third = try transmission.submit(Request(.flush))
    #expect(transmission.pending == 3)
    var order: [Cookie] = []
    while let completion = transmission.next() {
      order.append(completion.cookie)
      #expect((try? completion.result.get()) != nil)
    }
    #expect(order == [third, second, first])
    #expect(transmission.next() == nil)
  }

  // Rows: T-012
  @Test func `bounds what is in flight`() throws {
    let (transmission, _) = transmit(terms(), Wire.simple(1), mostInFlight: 2)
    _ = try transmission.submit(Request(.write, offset: 0, length: 2), payload: [1, 1])
    let clash = #expect(throws: TransmissionError.self) {
      try transmission.submit(Request(.trim, offset: 1, length: 8))
    }
    #expect(clash?.reason == .notSent(.overlapsWrite))
    _ = try transmission.submit(Request(.trim, offset: 2, length: 8))
    let full = #expect(throws: TransmissionError.self) {
      try transmission.submit(Request(.flush))
    }
    #expect(full?.reason == .notSent(.tooManyInFlight(2)))
    #expect(transmission.next()?.cookie == 1)
    _ = try transmission.submit(Request(.write, offset: 0, length: 2), payload: [2, 2])
  }

  // Rows: T-026, T-028, T-034
  @Test(
    arguments: [
      (1, .notPermitted), (5, .inputOutput), (12, .noMemory), (22, .invalid), (28, .noSpace),
      (75, .overflow), (95, .notSupported), (12345, .invalid), (0xffff_fffb, .invalid),
    ] as [(UInt32, ErrorNumber)])
  func `goes on after a failed request`(code: UInt32, number: ErrorNumber) throws {
    let (transmission, _) = transmit(
      terms(), Wire.simple(1, error: code) + Wire.simple(2, Self.data))
    let error = #expect(throws: TransmissionError.self) {
      try transmission.perform(Request(.read, length: 512))
    }
    guard case .failed(let failure) = error?.reason else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(failure.number == number)
    #expect(failure.code == code)
    #expect(error?.endsConnection == false)
    #expect(transmission.isOpen)
    _ = try transmission.perform(Request(.read, length: 512))
  }

  // The one answer, the rest of those in flight, and then the word the server waits for.
  // Rows: T-029
  @Test func `leaves a server that shuts down`() throws {
    let (transmission, stream) = transmit(
      terms(), Wire.simple(1, error: 108) + Wire.simple(2, [9]))
    _ = try transmission.submit(Request(.read, length: 1))
    _ = try transmission.submit(Request(.read, length: 1))
    #expect(throws: TransmissionError.self) { try transmission.next()?.result.get() }
    let late = #expect(throws: TransmissionError.self) {
      try transmission.submit(Request(.flush))
    }
    #expect(late?.reason == .notSent(.closed))
    #expect(stream.sent.count == 56)
    _ = try transmission.next()?.result.get()
    #expect(stream.sent.suffix(28) == RequestHeader.disconnect(.simple)[...])
    transmission.disconnect()
    #expect(stream.sent.count == 84)
  }

  static let violations: [(String, [UInt8], TransmissionError.Reason)] = [
    ("T-021", hex("deadbeef"), .violation(.magic(0xdead_beef, .simple))),
    ("T-021", hex("96744668"), .violation(.magic(0x9674_4668, .simple))),
    ("T-031", Wire.chunk(1, 0, last: true), .violation(.magic(0x668e_33ef, .simple))),
    ("T-021", Wire.extended(1, 0, last: true), .violation(.magic(0x6e8a_278c, .simple))),
    ("T-025", Wire.simple(2, data), .violation(.unknownCookie(2))),
    (
      "T-025", Wire.simple(1 | 1 << 56, data), .violation(.unknownCookie(1 | 1 << 56))
    ),
    ("T-022, T-099", [], .closed),
    ("T-023", hex("6744"), .receiving(.ended(received: 2), awaiting: "a reply")),
    (
      "T-023", Array(Wire.simple(1).prefix(8)),
      .receiving(.ended(received: 4), awaiting: "the header of a reply")
    ),
    (
      "T-023, T-027", Wire.simple(1, Array(data.dropLast())),
      .receiving(.ended(received: 511), awaiting: "the data of read of 512 bytes at 1024")
    ),
  ]

  // Rows: T-020, T-021, T-022, T-023, T-025, T-027, T-031, T-098
  @Test(arguments: violations)
  func `drops a connection that went wrong`(
    rows: String, script: [UInt8], reason: TransmissionError.Reason
  ) {
    let (transmission, stream) = transmit(terms(), script)
    let error = #expect(throws: TransmissionError.self, "\(rows)") {
      try transmission.perform(Request(.read, offset: 1024, length: 512))
    }
    #expect(error?.reason == reason)
    #expect(error?.endsConnection == true)
    #expect(!transmission.isOpen)
    transmission.disconnect()
    #expect(stream.sent.count == 28)
  }

  // What is sent again is the answer to nothing, and what is sent too much starts no reply.
  // Rows: T-021, T-025, T-026
  @Test(arguments: [
    (Wire.simple(1, data) + Wire.simple(1, data), Violation.unknownCookie(1)),
    (Wire.simple(1, data) + data, .magic(0x0707_0707, .simple)),
  ])
  func `notices what is too much`(script: [UInt8], violation: Violation) throws {
    let (transmission, _) = transmit(terms(), script)
    _ = try transmission.perform(Request(.read, length: 512))
    let error = #expect(throws: TransmissionError.self) {
      try transmission.perform(Request(.flush))
    }
    #expect(error?.reason == .violation(violation))
  }

  // Rows: T-022, T-099
  @Test func `fails what is in flight once, and says what is unknown`() throws {
    let (transmission, _) = transmit(terms(), [])
    _ = try transmission.submit(Request(.read, length: 1))
    _ = try transmission.submit(Request(.write, length: 1), payload: [0])
    _ = try transmission.submit(Request(.flush))
    var errors: [TransmissionError] = []
    while let completion = transmission.next() {
      if case .failure(let error) = completion.result { errors.append(error) }
    }
    #expect(errors.map(\.reason) == [.closed, .closed, .closed])
    #expect(errors.map(\.isOutcomeUnknown) == [false, true, false])
    #expect(transmission.next() == nil)
  }

  // Rows: T-022, T-032
  @Test func `waits for nothing where nothing is in flight`() {
    let (transmission, stream) = transmit(terms(), Wire.simple(1))
    #expect(transmission.next() == nil)
    #expect(stream.unread.count == 16)
    #expect(transmission.isOpen)
  }

  // Rows: T-013, T-099
  @Test func `ends where a request cannot be sent`() throws {
    let (transmission, _) = transmit(terms(), [], writable: 28)
    _ = try transmission.submit(Request(.read, length: 1))
    let error = #expect(throws: TransmissionError.self) {
      try transmission.submit(Request(.write, length: 1), payload: [0])
    }
    #expect(error?.reason == .sending(.failed(.brokenPipe)))
    #expect(error?.isOutcomeUnknown == true)
    #expect(transmission.next()?.cookie == 1)
    #expect(transmission.next() == nil)
  }

  // Rows: T-033
  @Test func `gives every message a deadline, and ends with the first that passes`() throws {
    let (transmission, stream) = transmit(
      terms(), Wire.simple(1), end: .timedOut(.seconds(5)))
    _ = try transmission.submit(Request(.flush))
    _ = try transmission.submit(Request(.flush))
    #expect(stream.steps == 2)
    _ = try transmission.next()?.result.get()
    #expect(stream.steps == 3)
    let error = #expect(throws: TransmissionError.self) { try transmission.next()?.result.get() }
    #expect(error?.reason == .receiving(.timedOut(.seconds(5)), awaiting: "a reply"))
    #expect(stream.steps == 4)
    #expect(!transmission.isOpen)
  }

  // Rows: T-095, T-096, T-097
  @Test func `disconnects without waiting`() throws {
    let (transmission, stream) = transmit(terms(), Wire.simple(1, Self.data))
    let cookie = try transmission.submit(Request(.read, length: 512))
    transmission.disconnect()
    #expect(
      stream.sent.suffix(28)
        == hex("25609513 0000 0002 0000000000000000 0000000000000000 00000000")[...])
    #expect(stream.unread.count == 528)
    let completion = transmission.next()
    #expect(completion?.cookie == cookie)
    let error = #expect(throws: TransmissionError.self) { try completion?.result.get() }
    #expect(error?.reason == .abandoned)
    #expect(transmission.next() == nil)
    transmission.disconnect()
    #expect(stream.sent.count == 56)
    #expect(throws: TransmissionError.self) { try transmission.submit(Request(.flush)) }
  }

  // Rows: T-095, T-085
  @Test func `disconnects in the form that was agreed on`() {
    let (transmission, stream) = transmit(terms(.extended), [])
    transmission.disconnect()
    let zeroes = String(repeating: "00", count: 24)
    #expect(stream.sent == hex("21e41c71 0000 0002" + zeroes))
  }
}
