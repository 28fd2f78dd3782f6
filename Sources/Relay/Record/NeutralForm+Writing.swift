// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD

/// How a Record becomes a neutral form.
extension NeutralForm {
  /// A chunk that is to be written: its head, bytes of its own, then bytes of a region.
  private struct Draft {
    var chunk: Chunk
    var bytes: [UInt8]
    var data: (region: Region, place: Int, byteCount: Int)?

    var byteCount: Int { bytes.count + (data?.byteCount ?? 0) }
  }

  /// Writes all that a Record says into new memory; only while nobody relays, and only when no transfer was cut off.
  static func write(_ record: Record, named name: String) throws(Record.Flaw) -> MemoryFile {
    let drafts = try drafts(of: record)
    let end = drafts.reduce(Header.byteCount) { $0 + Chunk.room(for: $1.byteCount) }
    do throws(SystemError) {
      let file = try MemoryFile(named: "nbdd:\(name)", byteCount: (end + 4095) & ~4095)
      guard file.take(0..<file.byteCount) else { throw SystemError.noMemory }
      let region = try Region(file, at: 0, byteCount: file.byteCount)
      var place = Header.byteCount
      for draft in drafts {
        write(draft, to: region, at: place)
        place += Chunk.room(for: draft.byteCount)
      }
      RobustMutex(in: region, at: RecordLayout.Header.mutex).initialize()
      let words = [
        (Header.socketCount, UInt64(record.socketCount)),
        (Header.unflushedLimit, UInt64(record.layout.writesByteCount)), (Header.end, UInt64(end)),
        (Header.outagePolicy, record.outagePolicy),
        (Header.lastSign, UInt64(bitPattern: record.lastSign)),
        (Header.successions, UInt64(record.successions)),
        (RecordLayout.Header.fileByteCount, UInt64(file.byteCount)),
        (RecordLayout.Header.version, version), (RecordLayout.Header.magic, RecordLayout.magic),
      ]
      for (place, word) in words { region.store(word, at: place) }
      return file
    } catch {
      throw .system(error)
    }
  }

  private static func write(_ draft: Draft, to region: Region, at place: Int) {
    let chunk = draft.chunk
    region.store(UInt64(chunk.kind.rawValue) | UInt64(chunk.socket.index) << 32, at: place)
    region.store(UInt64(bitPattern: chunk.since), at: place + 8)
    region.store(chunk.arrived, at: place + 16)
    region.store(UInt64(draft.byteCount), at: place + 24)
    let start = place + Chunk.headByteCount
    region.write(start, draft.bytes.count) { bytes in
      for index in draft.bytes.indices { bytes[index] = draft.bytes[index] }
    }
    if let data = draft.data {
      region.copy(
        data.byteCount, from: data.region, at: data.place, to: start + draft.bytes.count)
    }
  }

  // MARK: what is written

  private static func drafts(of record: Record) throws(Record.Flaw) -> [Draft] {
    var drafts = [Draft(chunk: Chunk(kind: .text), bytes: record.text)]
    var requests: [RecordedRequest] = []
    for slot in 0..<record.layout.slotCount {
      guard let request = try record.request(in: SlotID(index: slot)) else { continue }
      if record.isOpen(request) { requests.append(request) }
    }
    requests.sort { $0.number < $1.number }
    for request in requests where request.answer == nil {
      drafts.append(draft(of: request, in: record))
    }
    for socket in 0..<record.socketCount {
      let socket = SocketID(index: socket)
      let (received, parsed) = (record.received(socket), record.parsed(socket))
      if received > parsed {
        let place = record.ringPlace(parsed)
        drafts.append(
          Draft(
            chunk: Chunk(kind: .unread, socket: socket), bytes: [],
            data: (record.rings[socket.index], place, Int(received - parsed))))
      }
      let answered = requests.filter { $0.socket.index == socket.index && $0.answer != nil }
      for request in answered.sorted(by: { $0.answer ?? 0 < $1.answer ?? 0 }) {
        drafts.append(answer(to: request, in: record))
      }
    }
    let ledger = Ledger(record)
    var number = ledger.first
    while number < ledger.next {
      drafts.append(draft(of: ledger[number], in: record))
      number += 1
    }
    return drafts
  }

  private static func draft(of request: RecordedRequest, in record: Record) -> Draft {
    let isRefused = request.command == .write && request.place == nil
    let arrived = min(request.dataByteCount, record.received(request.socket) &- request.begin)
    return Draft(
      chunk: Chunk(
        kind: isRefused ? .refused : .request, socket: request.socket, since: request.arrivedAt,
        arrived: arrived),
      bytes: RequestHeader(
        command: request.command.rawValue, flags: request.flags, cookie: request.cookie,
        offset: request.offset, length: request.length
      ).bytes(.simple),
      data: request.command == .write
        ? request.place.map { (record.writes, $0, Int(arrived)) } : nil)
  }

  /// What the kernel has not received of a reply.
  private static func answer(to request: RecordedRequest, in record: Record) -> Draft {
    let position = request.answer ?? 0
    let sent = record.sent(request.socket)
    let gone = sent > position ? Int(sent - position) : 0
    var header = [UInt8](repeating: 0, count: SimpleReply.byteCount)
    var bytes = header.mutableSpan
    SimpleReply(error: request.error, cookie: request.cookie).write(into: &bytes)
    var draft = Draft(
      chunk: Chunk(kind: .replies, socket: request.socket), bytes: Array(header.dropFirst(gone)))
    if request.command == .read, request.error == 0, let place = request.place {
      let skip = max(0, gone - header.count)
      draft.data = (record.reads, place + skip, Int(request.length) - skip)
    }
    return draft
  }

  private static func draft(of entry: Ledger.Entry, in record: Record) -> Draft {
    Draft(
      chunk: Chunk(kind: .kept, arrived: entry.place == nil ? 0 : entry.length),
      bytes: RequestHeader(
        command: entry.command.rawValue, flags: entry.flags, cookie: 0, offset: entry.offset,
        length: entry.length
      ).bytes(.simple),
      data: entry.place.map { (record.writes, $0, Int(entry.length)) })
  }
}
