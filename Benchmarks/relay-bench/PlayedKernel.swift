// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Transport

/// Plays the kernel: keeps `depth` requests in flight, and allocates nothing.
struct PlayedKernel {
  /// The channel on which requests are sent.
  enum Wire {
    /// The kernel's end of a socketpair.
    case socket(Descriptor)
    /// A negotiated connection.
    case server(ServerStream)

    var descriptor: Descriptor {
      switch self {
      case .socket(let descriptor): descriptor
      case .server(let stream): stream.socket.descriptor
      }
    }

    /// Some of the accepted bytes have not been sent.
    var isSending: Bool {
      switch self {
      case .socket: false
      case .server(let stream): stream.isSending
      }
    }
  }

  let wire: Wire
  let command: NBD.Command
  let blockBytes: Int
  let depth: Int
  /// How many blocks there are; they are used in turn, cyclically.
  let blockCount: Int

  private let headers: Region
  private let data: Region
  private let inbox: Region
  private let gather = Gather(capacity: 64)
  private let readiness = Readiness(capacity: 1)

  /// How many requests have been begun, have been sent completely, and have got a reply.
  private var begun = 0
  private var left = 0
  private var answered = 0
  /// How many bytes of the first request that is not sent completely have been sent.
  private var gone = 0
  /// How many bytes of a reply's header are in the inbox, and how many bytes of data are still to arrive.
  private var headerBytes = 0
  private var dataBytes = 0

  private static let requestBytes = RequestHeader.byteCount(.simple)
  private static let replyBytes = 16

  init(
    _ wire: Wire, _ command: NBD.Command, blockBytes: Int, depth: Int, exportBytes: UInt64
  ) throws(SystemError) {
    self.wire = wire
    self.command = command
    self.blockBytes = blockBytes
    self.depth = depth
    blockCount = Int(exportBytes) / blockBytes
    headers = try Region(byteCount: depth * 32)
    data = try Region(byteCount: blockBytes)
    inbox = try Region(byteCount: 256 << 10)
    // Contains no zeroes that a server could detect.
    data.write(0, blockBytes) { bytes in
      for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: index | 1) }
    }
  }

  /// Sends requests for `time`, at most `limit`, waits for all replies, and returns how many.
  mutating func run(for time: Duration, atMost limit: Int) throws(Fault) -> Int {
    let start = answered
    let end = Clocks.monotonic + time.milliseconds * 1000
    while true {
      let isOver = begun - start >= limit || Clocks.monotonic >= end
      while !isOver, begun - answered < depth, begun - start < limit { begin() }
      if answered == begun { return answered - start }
      let hasSent = try send()
      let hasReceived = try receive()
      if hasSent || hasReceived { continue }
      readiness.removeAll()
      _ = readiness.add(wire.descriptor, reading: true, writing: left < begun || wire.isSending)
      readiness.wait(-1)
    }
  }

  private mutating func begin() {
    let header = RequestHeader(
      command: command.rawValue, flags: [], cookie: UInt64(begun),
      offset: UInt64(begun % blockCount * blockBytes), length: UInt64(blockBytes))
    headers.write(begun % depth * 32, Self.requestBytes) { header.write(.simple, into: &$0) }
    begun += 1
  }

  /// Sends what is accepted; returns false if that is nothing.
  private mutating func send() throws(Fault) -> Bool {
    guard left < begun || wire.isSending else { return false }
    gather.removeAll()
    var skip = gone
    for number in left..<min(begun, left + 32) {
      add(headers, number % depth * 32, Self.requestBytes, &skip)
      if command == .write { add(data, 0, blockBytes, &skip) }
    }
    guard let count = try sent() else { return false }
    let whole = Self.requestBytes + (command == .write ? blockBytes : 0)
    gone += count
    left += gone / whole
    gone %= whole
    return true
  }

  private func add(_ region: Region, _ place: Int, _ count: Int, _ skip: inout Int) {
    let part = min(skip, count)
    skip -= part
    gather.add(region, place + part, count - part)
  }

  private func sent() throws(Fault) -> Int? {
    do {
      switch wire {
      case .socket(let descriptor): return try gather.send(over: descriptor)
      case .server(let stream): return try stream.send(gather)
      }
    } catch {
      throw Fault("\(error)")
    }
  }

  private mutating func receive() throws(Fault) -> Bool {
    let count: Int?
    do {
      let room = inbox.byteCount - headerBytes
      switch wire {
      case .socket(let descriptor):
        count = try descriptor.receive(into: inbox, at: headerBytes, room)
      case .server(let stream):
        count = try stream.receive(into: inbox, at: headerBytes, room)
      }
    } catch {
      throw Fault("\(error)")
    }
    guard let count else { return false }
    guard count > 0 else { throw Fault("the connection was closed") }
    try take(headerBytes + count)
    return true
  }

  /// Processes the inbox: replies, each followed by its data.
  private mutating func take(_ end: Int) throws(Fault) {
    var place = 0
    while true {
      let part = min(dataBytes, end - place)
      place += part
      dataBytes -= part
      if dataBytes == 0, part > 0 { answered += 1 }
      guard end - place >= Self.replyBytes else { break }
      let header = inbox.read(place + 4, 12) { ReplyHeader(magic: Self.simpleMagic, $0) }
      guard inbox.read(place, 4, { $0.number(at: 0) }) == Self.simpleMagic,
        header.form == .simple(error: 0)
      else { throw Fault("a request failed") }
      place += Self.replyBytes
      if command == .read { dataBytes = blockBytes } else { answered += 1 }
    }
    headerBytes = end - place
    inbox.copy(headerBytes, from: inbox, at: place, to: 0)
  }

  private static let simpleMagic: UInt32 = 0x6744_6698
}

/// Why the measurement failed.
struct Fault: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
