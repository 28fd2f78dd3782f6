// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD

/// How a neutral form becomes a Record of the present layout.
extension NeutralForm {
  /// A new Record that says the same; the positions in the streams begin anew.
  func record(named name: String, _ sockets: [SocketPair]) throws(Record.Flaw) -> Record {
    guard socketCount == sockets.count else { throw .contradiction("the number of sockets") }
    let chunks = try chunks()
    var room = Room(socketCount: socketCount)
    for chunk in chunks { try room.add(chunk, of: self) }
    var copy = try Copy(self, named: name, room)
    for chunk in chunks { try copy.add(chunk) }
    try copy.finish(sockets)
    return copy.record
  }

  /// The header of the request that a chunk begins with.
  fileprivate func header(of chunk: Chunk) throws(Record.Flaw) -> RequestHeader {
    let byteCount = RequestHeader.byteCount(.simple)
    guard chunk.bytes.count >= byteCount,
      let header = region.read(
        chunk.bytes.lowerBound, byteCount, { RequestHeader(compact: $0) }),
      header.offset <= UInt64.max - header.length
    else { throw .contradiction("the request at \(chunk.bytes.lowerBound)") }
    let data = header.command == Command.write.rawValue && chunk.kind != .refused
    guard chunk.bytes.count - byteCount == (data ? Int(clamping: chunk.arrived) : 0),
      chunk.arrived <= (header.command == Command.write.rawValue ? header.length : 0)
    else { throw .contradiction("the data of the request at \(chunk.bytes.lowerBound)") }
    return header
  }
}

/// How much memory the data of a neutral form needs, in bytes.
private struct Room {
  var writes = 0
  var reads = 0
  /// The replies for each socket.
  var replies: [Int]

  init(socketCount: Int) { replies = [Int](repeating: 0, count: socketCount) }

  mutating func add(_ chunk: NeutralForm.Chunk, of form: NeutralForm) throws(Record.Flaw) {
    switch chunk.kind {
    case .text, .unread: break
    case .replies:
      replies[chunk.socket.index] += chunk.bytes.count
      reads += RecordLayout.pages(chunk.bytes.count)
    case .request, .refused, .kept:
      let header = try form.header(of: chunk)
      guard chunk.kind != .refused else { return }
      let room = RecordLayout.pages(max(1, Int(header.length)))
      if header.command == Command.write.rawValue { writes += room }
      if header.command == Command.read.rawValue { reads += room }
    }
    guard writes < 1 << 40, reads < 1 << 40 else { throw .contradiction("the sizes of its data") }
  }
}

/// A Record that is being filled.
private struct Copy {
  let form: NeutralForm
  let record: Record
  /// Where the next data goes.
  private var writes = 0
  private var reads = 0
  private var slots: Range<Int>
  /// The positions up to which each socket's requests are accepted, and data has come.
  private var parsed: [UInt64]
  private var received: [UInt64]
  /// Where the replies of each socket are, and how many bytes were copied.
  private var replies: [(place: Int, count: Int)]
  private let room: Room

  /// ENOSPC: there is not enough memory.
  init(_ form: NeutralForm, named name: String, _ room: Room) throws(Record.Flaw) {
    (self.form, self.room) = (form, room)
    let limit = Int(form.region.load(NeutralForm.Header.unflushedLimit))
    do throws(SystemError) {
      record = try Record(
        named: name, socketCount: form.socketCount, unflushedLimit: max(limit, room.writes),
        readsByteCount: room.reads)
      guard record.writes.take(0..<room.writes), record.reads.take(0..<room.reads) else {
        throw SystemError.noMemory
      }
    } catch {
      throw .system(error)
    }
    slots = 0..<record.layout.slotCount - Engine.ownSlots
    parsed = [UInt64](repeating: 0, count: form.socketCount)
    received = parsed
    replies = []
    for byteCount in room.replies {
      replies.append((reads, 0))
      reads += RecordLayout.pages(byteCount)
    }
    record.outagePolicy = form.region.load(NeutralForm.Header.outagePolicy)
    record.lastSign = Int64(bitPattern: form.region.load(NeutralForm.Header.lastSign))
    record.setSuccessions(form.region.load(NeutralForm.Header.successions))
  }

  mutating func add(_ chunk: NeutralForm.Chunk) throws(Record.Flaw) {
    let (bytes, socket) = (chunk.bytes, chunk.socket.index)
    switch chunk.kind {
    case .text:
      let text = form.region.read(bytes.lowerBound, bytes.count) { bytes in
        bytes.indices.map { bytes[$0] }
      }
      guard record.setText(text) else { throw .contradiction("its text") }
    case .request, .refused: try addRequest(chunk)
    case .unread:
      guard received[socket] == parsed[socket], bytes.count <= RecordLayout.ringByteCount else {
        throw .contradiction("the bytes that are not read")
      }
      record.rings[socket].copy(
        bytes.count, from: form.region, at: bytes.lowerBound, to: record.ringPlace(parsed[socket]))
      received[socket] += UInt64(bytes.count)
    case .replies:
      record.reads.copy(
        bytes.count, from: form.region, at: bytes.lowerBound,
        to: replies[socket].place + replies[socket].count)
      replies[socket].count += bytes.count
    case .kept: try addKept(chunk)
    }
  }

  private mutating func addRequest(_ chunk: NeutralForm.Chunk) throws(Record.Flaw) {
    let header = try form.header(of: chunk)
    let socket = chunk.socket.index
    guard received[socket] == parsed[socket] else {
      throw .contradiction("a request after one that has not come")
    }
    let command = Command(rawValue: header.command) ?? .cache
    let begin = parsed[socket] + UInt64(RequestHeader.byteCount(.simple))
    var request = try request(command, on: chunk.socket)
    (request.cookie, request.flags) = (header.cookie, header.flags)
    (request.offset, request.length) = (header.offset, header.length)
    (request.begin, request.arrivedAt) = (begin, chunk.since)
    switch command {
    case .write where chunk.kind == .request: request.place = copyData(of: chunk, header)
    case .read where chunk.kind == .request:
      request.place = reads
      reads += RecordLayout.pages(max(1, Int(header.length)))
    default: break
    }
    record.write(request)
    parsed[socket] = begin + request.dataByteCount
    received[socket] = begin + chunk.arrived
  }

  /// A request in the next slot.
  private mutating func request(
    _ command: Command, on socket: SocketID
  ) throws(Record.Flaw) -> RecordedRequest {
    guard let slot = slots.popFirst() else { throw .contradiction("the number of requests") }
    return RecordedRequest(
      slot: SlotID(index: slot), number: record.takeNumber(), socket: socket, cookie: 0,
      command: command, flags: [], offset: 0, length: 0, place: nil, begin: 0, isCopied: true,
      arrivedAt: 0, answer: nil, error: 0)
  }

  /// Copies the data of a write, and returns its place.
  private mutating func copyData(of chunk: NeutralForm.Chunk, _ header: RequestHeader) -> Int {
    let (place, head) = (writes, RequestHeader.byteCount(.simple))
    record.writes.copy(
      chunk.bytes.count - head, from: form.region, at: chunk.bytes.lowerBound + head, to: place)
    writes += RecordLayout.pages(max(1, Int(header.length)))
    return place
  }

  private mutating func addKept(_ chunk: NeutralForm.Chunk) throws(Record.Flaw) {
    let header = try form.header(of: chunk)
    var ledger = Ledger(record)
    guard let command = Command(rawValue: header.command), command.changesData,
      chunk.arrived == (command == .write ? header.length : 0), ledger.hasRoom(for: 1)
    else { throw .contradiction("what was acknowledged") }
    let entry = Ledger.Entry(
      command: command, flags: header.flags, offset: header.offset, length: header.length,
      place: command == .write ? copyData(of: chunk, header) : nil)
    // No request of the kernel has this number: what is kept was answered.
    ledger.append(entry, of: 0)
  }

  /// Records how far the streams have got.
  mutating func finish(_ sockets: [SocketPair]) throws(Record.Flaw) {
    for index in sockets.indices {
      let socket = SocketID(index: index)
      let header = UInt64(Engine.answerHeaderRoom)
      if replies[index].count > 0 {
        // They are the data of a reply whose header has gone.
        var request = try request(.read, on: socket)
        request.length = UInt64(replies[index].count)
        request.place = replies[index].place
        request.answer = 0
        record.write(request)
      }
      record.setSent(header, socket)
      record.setParsed(parsed[index], socket)
      record.setReceived(received[index], socket)
      record.beginCounting(socket, on: sockets[index])
    }
  }
}
