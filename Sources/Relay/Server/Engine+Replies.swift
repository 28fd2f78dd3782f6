// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Synchronization
internal import Transport

/// Replies from the server, checked like those that nbdctl gets (rows T-020 to T-063).
extension Engine {
  /// How many bytes of its reply give a request the time of `requestTimeout` anew.
  private static let leastProgress = 64 << 10
  /// How long no other failed request is told of, in microseconds: a disk that fails, fails often.
  private static let failureReportPause: Int64 = 1_000_000

  /// Takes what the server has sent; whatever is wrong with it ends the connection.
  mutating func receiveReplies(_ lane: Int) {
    lanes[lane].hasMore = false
    do throws(ConnectionEnd) {
      for _ in 0..<64 {
        guard try receive(lane) else { return }
      }
      lanes[lane].hasMore = true
    } catch {
      lose(lane, error)
    }
  }

  /// Receives once, and takes what is complete; false if nothing more has come.
  private mutating func receive(_ lane: Int) throws(ConnectionEnd) -> Bool {
    guard let stream = lanes[lane].stream else { return false }
    let count: Int?
    let room: Int
    if let data = lanes[lane].data {
      // The inlet is empty: data goes where it belongs.
      room = data.left
      count = try receive(stream, reads, data.place, room, lane)
      if let count { try took(count, lane) }
    } else {
      let place: Int
      (place, room) = lanes[lane].inlet.makeRoom()
      count = try receive(stream, lanes[lane].inlet.region, place, room, lane)
      if let count { lanes[lane].inlet.received(count) }
    }
    guard let count else { return false }
    counters.bytesFromServer.add(count, ordering: .relaxed)
    lanes[lane].heardAt = now
    try takeReplies(lane)
    // A socket that had less than there was room for is empty; a TLS session knows by itself.
    return stream.hasMore || count == room || lanes[lane].data != nil
  }

  private mutating func receive(
    _ stream: ServerStream, _ region: Region, _ place: Int, _ room: Int, _ lane: Int
  ) throws(ConnectionEnd) -> Int? {
    let count: Int?
    do {
      count = try stream.receive(into: region, at: place, room)
    } catch {
      lanes[lane].hasFailed = true
      throw .connection(.receiving(error, awaiting: "a reply"))
    }
    guard count == 0 else { return count }
    if lanes[lane].isClosing { throw .shuttingDown }
    // The end of the stream is no accident where a message could begin (T-022, T-023).
    guard lanes[lane].inlet.count > 0 || lanes[lane].data != nil else { throw .connection(.closed) }
    throw .connection(
      .receiving(.ended(received: lanes[lane].inlet.count), awaiting: "the rest of a reply"))
  }

  /// Takes all replies that are complete.
  private mutating func takeReplies(_ lane: Int) throws(ConnectionEnd) {
    while lanes[lane].stream != nil {
      if let data = lanes[lane].data {
        let count = min(data.left, lanes[lane].inlet.count)
        guard count > 0 else { return }
        reads.copy(
          count, from: lanes[lane].inlet.region, at: lanes[lane].inlet.start, to: data.place)
        lanes[lane].inlet.drop(count)
        try took(count, lane)
      } else {
        guard try takeHeader(lane) else { return }
      }
    }
  }

  /// So many bytes of data have come.
  private mutating func took(_ count: Int, _ lane: Int) throws(ConnectionEnd) {
    guard var data = lanes[lane].data else { return }
    data.place += count
    data.left -= count
    // A byte now and then is not an answer that comes.
    slots[data.slot].progress += count
    if slots[data.slot].progress >= Self.leastProgress {
      slots[data.slot].progress = 0
      slots[data.slot].sentAt = now
    }
    lanes[lane].data = data.left == 0 ? nil : data
    if data.left == 0, data.isLast { try complete(data.slot, lane) }
  }

  /// Takes the next header and what follows but data; false if not all of it is here.
  private mutating func takeHeader(_ lane: Int) throws(ConnectionEnd) -> Bool {
    let (inlet, style) = (lanes[lane].inlet, lanes[lane].terms?.replies ?? .simple)
    guard inlet.count >= ReplyHeader.magicByteCount else { return false }
    let magic: UInt32 = inlet.region.read(inlet.start, 4) { $0.number(at: 0) }
    guard let rest = ReplyHeader.byteCount(after: magic, style) else {
      throw .connection(.violation(.magic(magic, style)))
    }
    let headerByteCount = ReplyHeader.magicByteCount + rest
    guard inlet.count >= headerByteCount else { return false }
    let header = inlet.region.read(inlet.start + ReplyHeader.magicByteCount, rest) {
      ReplyHeader(magic: magic, $0)
    }
    let index = Int(header.cookie & 0xffff)
    guard index < slots.count, slots[index].state == .sent, slots[index].lane == lane,
      slots[index].cookie == header.cookie
    else { throw .connection(.violation(.unknownCookie(header.cookie))) }
    switch header.form {
    case .simple(let error):
      lanes[lane].inlet.drop(headerByteCount)
      try takeSimple(index, error, style, lane)
      return true
    case .chunk(let chunk):
      return try takeChunk(index, chunk, headerByteCount, lane)
    }
  }

  private mutating func takeSimple(
    _ index: Int, _ error: UInt32, _ style: ReplyStyle, _ lane: Int
  ) throws(ConnectionEnd) {
    if error != 0 {
      fail(index, error)
      return try complete(index, lane)
    }
    guard slots[index].command == .read else { return try complete(index, lane) }
    guard style == .simple else { throw .connection(.violation(.simpleReply)) }
    try expectData(index, slots[index].request.offset, slots[index].piece, isLast: true, lane)
  }

  /// Takes a chunk; false if not all of what is looked at as a whole is here.
  private mutating func takeChunk(
    _ index: Int, _ chunk: ReplyHeader.Chunk, _ headerByteCount: Int, _ lane: Int
  ) throws(ConnectionEnd) -> Bool {
    let request = slots[index].request
    guard slots[index].chunks < request.mostChunks else {
      throw .connection(.violation(.tooManyChunks(limit: request.mostChunks)))
    }
    if let violation = chunk.violation(answering: request) {
      throw .connection(.violation(violation))
    }
    let type = ChunkType(wire: chunk.type)
    let wanted: Int
    switch type {
    case .offsetData: wanted = 8
    default: wanted = Int(chunk.length)
    }
    let inlet = lanes[lane].inlet
    guard inlet.count >= headerByteCount + wanted else { return false }
    let place = inlet.start + headerByteCount
    lanes[lane].inlet.drop(headerByteCount + wanted)
    slots[index].chunks += 1
    switch type {
    case .offsetData:
      let offset: UInt64 = inlet.region.read(place, 8) { $0.number(at: 0) }
      try expectData(index, offset, chunk.length - 8, isLast: chunk.isLast, lane)
      return true
    case .offsetHole:
      let offset: UInt64 = inlet.region.read(place, 8) { $0.number(at: 0) }
      let length: UInt32 = inlet.region.read(place + 8, 4) { $0.number(at: 0) }
      let start = try cover(index, offset, UInt64(length))
      reads.clear(start, Int(length))
    case .error, .errorOffset:
      let code: UInt32 = inlet.region.read(place, 4) { $0.number(at: 0) }
      let text: UInt16 = inlet.region.read(place + 4, 2) { $0.number(at: 0) }
      guard Int(text) <= wanted - 6 - (type == .errorOffset ? 8 : 0) else {
        throw .connection(.violation(.errorText(text, chunk: chunk.length)))
      }
      if type == .errorOffset {
        let offset: UInt64 = inlet.region.read(place + 6 + Int(text), 8) { $0.number(at: 0) }
        guard request.covers(offset, 1) else {
          throw .connection(.violation(.errorOffset(offset)))
        }
      }
      fail(index, code, in: inlet.region, place + 6, Int(text))
    default:
      break
    }
    if chunk.isLast { try complete(index, lane) }
    return true
  }

  /// The first error counts (T-058), and now and then one is told of, with the server's own words.
  private mutating func fail(
    _ index: Int, _ code: UInt32, in region: Region? = nil, _ place: Int = 0, _ count: Int = 0
  ) {
    guard slots[index].error == 0 else { return }
    let error = ErrorNumber(wire: code)
    slots[index].error = error.rawValue
    guard error != .shutdown, now >= nextFailureReport else { return }
    nextFailureReport = now + Self.failureReportPause
    let text = region?.read(place, min(count, 256)) { bytes in
      var copy: [UInt8] = []
      for index in bytes.indices { copy.append(bytes[index]) }
      return shown(copy)
    }
    report(
      .requestFailed(slots[index].command, error, text: text.flatMap { $0.isEmpty ? nil : $0 }))
  }

  private mutating func expectData(
    _ index: Int, _ offset: UInt64, _ length: UInt64, isLast: Bool, _ lane: Int
  ) throws(ConnectionEnd) {
    let place = try cover(index, offset, length)
    lanes[lane].data = ArrivingData(slot: index, place: place, left: Int(length), isLast: isLast)
  }

  /// Takes a part of a read into account, and answers where it goes (T-046, T-047, T-049).
  ///
  /// Parts nearly always come in order; only those that do not are kept as ranges.
  private mutating func cover(_ index: Int, _ offset: UInt64, _ length: UInt64)
    throws(ConnectionEnd)
    -> Int
  {
    guard let block = slots[index].block, length > 0, slots[index].request.covers(offset, length)
    else { throw .connection(.violation(.outOfRange(offset: offset, length: length))) }
    let start = offset - slots[index].request.offset
    if start == slots[index].covered, slots[index].scattered == nil {
      slots[index].covered += length
    } else {
      var scattered = slots[index].scattered ?? Coverage()
      slots[index].scattered = nil
      guard start >= slots[index].covered, scattered.insert(start..<(start + length)) else {
        throw .connection(.violation(.overlap(offset: offset, length: length)))
      }
      slots[index].scattered = scattered
    }
    return block.place + Int(slots[index].done + start)
  }
}
