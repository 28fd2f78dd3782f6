// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import NBD
internal import TestSupport

/// The server's end of a connection: what it has received and not answered, and what is on the way back.
final class PlayedConnection {
  /// A request that is not answered yet.
  struct Held {
    var header: RequestHeader
    var command: NBD.Command
    /// The blocks it is for.
    var range: Range<Int>
    /// Of a write what it writes, of an executed read what it has found.
    var words: [UInt64]
    var arrivedAt: Int
    var isExecuted = false
    var error: UInt32 = 0

    var isFUA: Bool { header.flags.contains(.fua) }
  }

  /// A number for the journal.
  let number: Int
  /// Which of the relay's it is.
  let index: Int
  let socket: Descriptor
  let style: ReplyStyle
  let largestPayload: Int
  var held: [Held] = []
  /// Replies on the way.
  var outbox: [UInt8] = []
  /// The server does not know it any more: it executes nothing, and what is on the way is the last.
  var isCut = false
  /// The server has said that it is shutting down.
  var isLeaving = false
  /// The relay has said that it does not use it any more.
  var isGivenUp = false
  /// When it was last known that the relay had not given it up, in microseconds of the monotonic clock.
  var usedAt = Clocks.monotonic
  /// When the server has closed it.
  var closedAt = Int64.max
  private var inbox: Inbox

  init(
    _ number: Int, index: Int, _ socket: Descriptor, _ style: ReplyStyle, largestPayload: Int
  ) throws(SystemError) {
    self.number = number
    self.index = index
    self.socket = socket
    self.style = style
    self.largestPayload = largestPayload
    inbox = try Inbox()
  }

  /// The relay sends nothing any more.
  var isAtEnd: Bool { inbox.hasEnded }

  // MARK: in

  /// Takes what the relay has sent; `blockCount` blocks are there, and `time` is the server's.
  func receive(blockCount: Int, at time: Int) throws(Violation) {
    inbox.receive(from: socket)
    guard !isCut else { return inbox.removeAll() }
    while let next = try take(blockCount, time) {
      if next.command != .disconnect { held.append(next) }
    }
  }

  private func take(_ blockCount: Int, _ time: Int) throws(Violation) -> Held? {
    let headerBytes = RequestHeader.byteCount(style)
    guard inbox.count >= headerBytes else { return nil }
    let place = inbox.start
    let header = inbox.region.read(place, headerBytes) { bytes in
      let short: UInt32 = bytes.number(at: 24)
      return RequestHeader(
        command: bytes.number(at: 6), flags: CommandFlags(rawValue: bytes.number(at: 4)),
        cookie: bytes.number(at: 8), offset: bytes.number(at: 16),
        length: style == .extended ? bytes.number(at: 24) : UInt64(short))
    }
    let magic: UInt32 = inbox.region.read(place, 4) { $0.number(at: 0) }
    let size = UInt64(Content.blockBytes)
    guard magic == (style == .extended ? 0x21e4_1c71 : 0x2560_9513),
      let command = NBD.Command(rawValue: header.command), header.offset % size == 0,
      header.length % size == 0, (header.offset + header.length) / size <= UInt64(blockCount),
      (header.length > 0) == command.hasRange
    else { throw Violation("the server is sent \(header)") }
    let carriesData = command == .write || command == .read
    guard !carriesData || Int(header.length) <= largestPayload else {
      throw Violation("the server is sent \(header), but takes \(largestPayload) bytes")
    }
    let payload = command == .write ? Int(header.length) : 0
    guard inbox.count >= headerBytes + payload else { return nil }
    let first = Int(header.offset / size)
    let range = first..<(first + Int(header.length / size))
    var words: [UInt64] = []
    for (index, block) in range.enumerated() where command != .read {
      let start = place + headerBytes + index * Content.blockBytes
      let word: UInt64? =
        command == .write
        ? inbox.region.read(start, Content.blockBytes) { Content.word(in: $0, at: 0) }
        : Content.zero
      guard let word, word == Content.zero || word >> 32 & 0xffff == UInt64(block) else {
        throw Violation("the server is sent other data for block \(block)")
      }
      words.append(word)
    }
    inbox.drop(headerBytes + payload)
    return Held(header: header, command: command, range: range, words: words, arrivedAt: time)
  }

  // MARK: out

  /// Sends so many bytes of what is on the way; the relay may have gone.
  func deliver(_ count: Int) {
    guard count > 0 else { return }
    let sent = unsafe outbox.withUnsafeBytes { bytes in
      unsafe send(socket.number, bytes.baseAddress, count, CInt(MSG_NOSIGNAL | MSG_DONTWAIT))
    }
    if sent < 0 { outbox = [] } else { outbox.removeFirst(sent) }
  }

  /// Puts the reply to an executed request on its way.
  func reply(to request: Held, _ random: inout SplitMix) {
    let cookie = request.header.cookie
    let isRead = request.command == .read
    if style == .simple || style == .structured && !isRead && Bool.random(using: &random) {
      outbox.append(number: 0x6744_6698 as UInt32)
      outbox.append(number: request.error)
      outbox.append(number: cookie)
      if isRead, request.error == 0 {
        for word in request.words { Content.append(word, to: &outbox) }
      }
    } else if request.error != 0 {
      appendChunk(request, 0x8001, isLast: true, byteCount: 8)
      outbox.append(number: request.error)
      outbox += [0, 2, 0x6e, 0x6f]
    } else if isRead {
      appendData(request, &random)
    } else {
      appendChunk(request, 0, isLast: true, byteCount: 0)
    }
  }

  /// The data of a read, block by block and in any order, zeroes as holes.
  private func appendData(_ request: Held, _ random: inout SplitMix) {
    var places = Array(request.range.indices)
    if Bool.random(using: &random) { places.shuffle(using: &random) }
    for block in places {
      let word = request.words[block - request.range.lowerBound]
      let isLast = block == places.last
      if word == Content.zero {
        appendChunk(request, 2, isLast: isLast, byteCount: 12)
        outbox.append(number: UInt64(block * Content.blockBytes))
        outbox.append(number: UInt32(Content.blockBytes))
      } else {
        appendChunk(request, 1, isLast: isLast, byteCount: 8 + Content.blockBytes)
        outbox.append(number: UInt64(block * Content.blockBytes))
        Content.append(word, to: &outbox)
      }
    }
  }

  private func appendChunk(_ request: Held, _ type: UInt16, isLast: Bool, byteCount: Int) {
    outbox.append(number: style == .extended ? 0x6e8a_278c : 0x668e_33ef as UInt32)
    outbox.append(number: isLast ? 1 : 0 as UInt16)
    outbox.append(number: type)
    outbox.append(number: request.header.cookie)
    if style == .extended {
      outbox.append(number: request.header.offset)
      outbox.append(number: UInt64(byteCount))
    } else {
      outbox.append(number: UInt32(byteCount))
    }
  }
}
