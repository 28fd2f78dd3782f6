// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD

/// Replies from the server, with the same checks as in nbdctl (rows T-020 to T-063).
extension Engine {
  /// The pause between reports of failed requests, in microseconds: a failing disk fails often.
  private static let failureReportPause: Int64 = 1_000_000

  /// Processes the next header and what follows it except data; returns false if it is incomplete.
  mutating func takeHeader(from connection: ConnectionID) throws(ConnectionEnd) -> Bool {
    let style = connections[connection].replies
    let received = connections[connection].buffer.count
    guard received >= ReplyHeader.magicByteCount else { return false }
    let magic: UInt32 = connections[connection].buffer.read(4) { $0.number(at: 0) }
    guard let rest = ReplyHeader.byteCount(after: magic, style) else {
      throw .connection(.violation(.magic(magic, style)))
    }
    let headerByteCount = ReplyHeader.magicByteCount + rest
    guard received >= headerByteCount else { return false }
    let header = connections[connection].buffer.read(rest, after: ReplyHeader.magicByteCount) {
      ReplyHeader(magic: magic, $0)
    }
    let slot = SlotID(in: header.cookie)
    guard slots.indices.contains(slot), slots[slot].state == .sent,
      slots[slot].connection == connection, slots[slot].cookie == header.cookie
    else { throw .connection(.violation(.unknownCookie(header.cookie))) }
    switch header.form {
    case .simple(let error):
      connections[connection].buffer.drop(headerByteCount)
      try takeSimple(error, style, for: slot, on: connection)
      return true
    case .chunk(let chunk):
      return try takeChunk(chunk, headerByteCount, for: slot, on: connection)
    }
  }

  private mutating func takeSimple(
    _ error: UInt32, _ style: ReplyStyle, for slot: SlotID, on connection: ConnectionID
  ) throws(ConnectionEnd) {
    if error != 0 {
      fail(slot, error)
      return try complete(slot, on: connection)
    }
    guard slots[slot].command == .read else { return try complete(slot, on: connection) }
    guard style == .simple else { throw .connection(.violation(.simpleReply)) }
    try expectData(
      slots[slot].request.offset, slots[slot].piece, isLast: true, for: slot, on: connection)
  }

  /// Processes a chunk; returns false if a part that is needed as a whole is incomplete.
  private mutating func takeChunk(
    _ chunk: ReplyHeader.Chunk, _ headerByteCount: Int, for slot: SlotID,
    on connection: ConnectionID
  ) throws(ConnectionEnd) -> Bool {
    let request = slots[slot].request
    guard slots[slot].chunks < request.mostChunks else {
      throw .connection(.violation(.tooManyChunks(limit: request.mostChunks)))
    }
    if let violation = chunk.violation(answering: request) {
      throw .connection(.violation(violation))
    }
    let type = ChunkType(wire: chunk.type)
    let wanted = type == .offsetData ? 8 : Int(chunk.length)
    guard connections[connection].buffer.count >= headerByteCount + wanted else { return false }
    connections[connection].buffer.drop(headerByteCount)
    slots[slot].chunks += 1
    switch type {
    case .offsetData:
      let offset: UInt64 = connections[connection].buffer.read(wanted) { $0.number(at: 0) }
      connections[connection].buffer.drop(wanted)
      try expectData(
        offset, chunk.length - UInt64(wanted), isLast: chunk.isLast, for: slot, on: connection)
      return true
    case .offsetHole:
      let hole = connections[connection].buffer.read(wanted) { HoleChunk($0) }
      let place = try cover(hole.offset, hole.length, of: slot)
      reads.region.clear(place, Int(hole.length))
    case .error: try takeError(wanted, hasOffset: false, for: slot, on: connection)
    case .errorOffset: try takeError(wanted, hasOffset: true, for: slot, on: connection)
    case .some(.none), .blockStatus, .blockStatusExtended, nil: break
    }
    connections[connection].buffer.drop(wanted)
    if chunk.isLast { try complete(slot, on: connection) }
    return true
  }

  private mutating func takeError(
    _ byteCount: Int, hasOffset: Bool, for slot: SlotID, on connection: ConnectionID
  ) throws(ConnectionEnd) {
    let error: ErrorChunk
    do {
      error = try connections[connection].buffer.read(byteCount) {
        payload throws(TransmissionError.Reason) in
        try ErrorChunk(payload, hasOffset: hasOffset)
      }
    } catch {
      throw .connection(error)
    }
    if let offset = error.offset, !slots[slot].request.covers(offset, 1) {
      throw .connection(.violation(.errorOffset(offset)))
    }
    fail(slot, error.code, text: error.text, on: connection)
  }

  /// Records the first error (T-058), and reports one from time to time, with the server's text.
  ///
  /// `text` is the place of that text in the buffer of the connection.
  private mutating func fail(
    _ slot: SlotID, _ code: UInt32, text: Range<Int> = 0..<0, on connection: ConnectionID? = nil
  ) {
    guard slots[slot].error == 0 else { return }
    let error = ErrorNumber(wire: code)
    slots[slot].error = error.rawValue
    guard error != .shutdown, now >= nextFailureReport else { return }
    nextFailureReport = now + Self.failureReportPause
    let words = connection.map { connection in
      connections[connection].buffer.read(min(text.count, 256), after: text.lowerBound) { bytes in
        var copy: [UInt8] = []
        for index in bytes.indices { copy.append(bytes[index]) }
        return shown(copy)
      }
    }
    report(
      .requestFailed(
        slots[slot].command, error, text: words.flatMap { $0.isEmpty ? nil : $0 }))
  }

  private mutating func expectData(
    _ offset: UInt64, _ length: UInt64, isLast: Bool, for slot: SlotID,
    on connection: ConnectionID
  ) throws(ConnectionEnd) {
    let place = try cover(offset, length, of: slot)
    connections[connection].data = ArrivingData(
      slot: slot, place: place, left: Int(length), isLast: isLast)
  }

  /// Records a part of a read, and returns its place in the store of reads (T-046, T-047, T-049).
  ///
  /// Parts nearly always arrive in order; only others are kept as ranges.
  private mutating func cover(
    _ offset: UInt64, _ length: UInt64, of slot: SlotID
  ) throws(ConnectionEnd) -> Int {
    guard let block = slots[slot].block, length > 0, slots[slot].request.covers(offset, length)
    else { throw .connection(.violation(.outOfRange(offset: offset, length: length))) }
    let start = offset - slots[slot].request.offset
    if start == slots[slot].covered, slots[slot].scattered == nil {
      slots[slot].covered += length
    } else {
      var scattered = slots[slot].scattered ?? Coverage()
      slots[slot].scattered = nil
      guard start >= slots[slot].covered, scattered.insert(start..<(start + length)) else {
        throw .connection(.violation(.overlap(offset: offset, length: length)))
      }
      slots[slot].scattered = scattered
    }
    return block.place + Int(slots[slot].done + start)
  }
}
