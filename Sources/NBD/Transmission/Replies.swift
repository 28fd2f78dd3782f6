// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// Reads replies (proto.md, *Transmission phase*).
extension Transmission {
  /// Reads one message: a simple reply, or a chunk (T-020 to T-025).
  ///
  /// If the connection survives a faulty message, all of that message has been read (T-034).
  func receive() throws(TransmissionError.Reason) {
    stream.beginStep()
    let magic = try readMagic()
    guard let count = ReplyHeader.byteCount(after: magic, terms.replies) else {
      throw .violation(.magic(magic, terms.replies))
    }
    let bytes = try read(count, "the header of a reply")
    let header = ReplyHeader(magic: magic, bytes.span)
    guard let index = inFlight.firstIndex(where: { $0.cookie == header.cookie }) else {
      throw .violation(.unknownCookie(header.cookie))
    }
    switch header.form {
    case .simple(let error): try receiveReply(index, error)
    case .chunk(let chunk): try receiveChunk(index, chunk)
    }
  }

  /// The end of the stream is orderly only where a message could begin (T-022, T-023).
  private func readMagic() throws(TransmissionError.Reason) -> UInt32 {
    do {
      let bytes = try stream.read(ReplyHeader.magicByteCount)
      return bytes.span.number(at: 0)
    } catch {
      if error == .ended(received: 0) { throw .closed }
      throw .receiving(error, awaiting: "a reply")
    }
  }

  private func readNumber<Value: FixedWidthInteger & UnsignedInteger>(
    _ awaited: String
  ) throws(TransmissionError.Reason) -> Value {
    let bytes = try read(Value.bitWidth / 8, awaited)
    return bytes.span.number(at: 0)
  }

  private func read(
    _ count: Int, _ awaited: String
  ) throws(TransmissionError.Reason) -> [UInt8] {
    do {
      return try stream.read(count)
    } catch {
      throw .receiving(error, awaiting: awaited)
    }
  }

  /// Reads a simple reply: data follows only a successful read (T-024, T-026, T-030, T-080).
  private func receiveReply(
    _ index: Int, _ error: UInt32
  ) throws(TransmissionError.Reason) {
    let request = inFlight[index].request
    let isWrong =
      request.command == .blockStatus || request.command == .read && terms.replies != .simple
    if error != 0 {
      try inFlight[index].fail(ServerFailure(code: error))
    } else if isWrong {
      throw .violation(.simpleReply)
    } else if request.command == .read {
      try receiveData(index, request.offset, request.length)
    }
    finish(index)
  }

  /// Reads a chunk, and checks everything before keeping it (T-041, T-043, T-045, T-048, T-052 to T-054).
  private func receiveChunk(
    _ index: Int, _ chunk: ReplyHeader.Chunk
  ) throws(TransmissionError.Reason) {
    try inFlight[index].begin(chunk)
    switch ChunkType(wire: chunk.type) {
    case .offsetData:
      let offset: UInt64 = try readNumber("a chunk of data")
      try receiveData(index, offset, chunk.length - 8)
    case .offsetHole:
      let bytes = try read(HoleChunk.byteCount, "a hole")
      let hole = HoleChunk(bytes.span)
      try inFlight[index].cover(hole.offset, hole.length)
      inFlight[index].keep(Piece(offset: hole.offset, content: .hole(hole.length)))
    case .blockStatus, .blockStatusExtended:
      try receiveStatus(index, chunk)
    case .error, .errorOffset:
      try receiveError(index, chunk)
    case .some(.none), nil:
      break
    }
    if chunk.isLast { finish(index) }
  }

  private func receiveData(
    _ index: Int, _ offset: UInt64, _ length: UInt64
  ) throws(TransmissionError.Reason) {
    try inFlight[index].cover(offset, length)
    let bytes = try read(Int(length), "the data of \(inFlight[index].request)")
    inFlight[index].keep(Piece(offset: offset, content: .data(bytes)))
  }

  /// Reads an error, truncates its text, and discards what follows the text (T-055 to T-057, T-063).
  private func receiveError(
    _ index: Int, _ chunk: ReplyHeader.Chunk
  ) throws(TransmissionError.Reason) {
    let bytes = try read(Int(chunk.length), "an error")
    let error = try ErrorChunk(
      bytes.span, hasOffset: chunk.type == ChunkType.errorOffset.rawValue)
    var failure = ServerFailure(code: error.code)
    if !error.text.isEmpty { failure.text = shown(bytes[error.text]) }
    failure.offset = error.offset
    try inFlight[index].fail(failure)
  }

  /// Reads the status of one context, in pieces (T-070 to T-073, T-081, T-088).
  private func receiveStatus(
    _ index: Int, _ chunk: ReplyHeader.Chunk
  ) throws(TransmissionError.Reason) {
    let isWide = chunk.type == ChunkType.blockStatusExtended.rawValue
    let awaited = "a block status"
    let id: UInt32 = try readNumber(awaited)
    var left = Int(chunk.length) - 4
    if isWide {
      let count: UInt32 = try readNumber(awaited)
      left -= 4
      guard UInt64(count) * 16 == UInt64(left) else {
        throw .violation(.descriptorCount(count, chunk.length))
      }
    }
    let size = isWide ? 16 : 8
    let wantsOne = inFlight[index].request.flags.contains(.reqOne)
    guard !wantsOne || left == size else {
      throw .violation(.fragmented)
    }
    try inFlight[index].beginStatus(id, under: terms)
    while left > 0 {
      let bytes = try read(min(left, 65536), awaited)
      left -= bytes.count
      for place in stride(from: 0, to: bytes.count, by: size) {
        let (length, flags) = descriptor(bytes.span, place, isWide: isWide)
        try inFlight[index].describe(length, flags)
      }
    }
  }

  private func descriptor(
    _ bytes: Span<UInt8>, _ place: Int, isWide: Bool
  ) -> (length: UInt64, flags: UInt64) {
    if isWide { return (bytes.number(at: place), bytes.number(at: place + 8)) }
    let length: UInt32 = bytes.number(at: place)
    let flags: UInt32 = bytes.number(at: place + 4)
    return (UInt64(length), UInt64(flags))
  }
}
