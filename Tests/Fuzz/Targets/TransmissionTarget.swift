// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD

/// The first byte of the input chooses the style, the second how many requests there are; then come
/// five bytes for each of them, and what the server says.
func check(_ input: [UInt8]) {
  guard input.count >= 2 else { return }
  let count = Int(input[1] % 8)
  let requests = input.dropFirst(2).prefix(count * 5)
  let server = Array(input.dropFirst(2 + count * 5))
  let stream = InputStream(server, largestRead: 1 << 20)
  let transmission = Transmission(terms(input[0]), over: stream, mostInFlight: 5, firstCookie: 1)
  let choices = stride(from: 2, to: 2 + requests.count - 4, by: 5).map {
    Array(input[$0..<($0 + 5)])
  }
  if input[0] & 4 == 0 { inFlight(choices, transmission) } else { whole(choices, transmission) }
  transmission.disconnect()
}

private func terms(_ choice: UInt8) -> Negotiated {
  let styles: [ReplyStyle] = [.simple, .structured, .extended, .extended]
  let size: UInt64 = choice & 8 == 0 ? 1 << 20 : UInt64(Int64.max)
  let blockSizes = BlockSizes(minimum: 16, preferred: 64, maximumPayload: 100)
  return Negotiated(
    export: Export(
      name: "disk", sizeBytes: choice & 16 == 0 ? size : size - size % 16,
      flags: TransmissionFlags(rawValue: choice & 32 == 0 ? .max : 1),
      blockSizes: choice & 16 == 0 ? nil : blockSizes),
    replies: styles[Int(choice % 4)],
    contexts: choice % 4 == 0 || choice & 64 != 0
      ? []
      : [
        MetadataContext(name: MetadataContext.allocation, id: 1),
        MetadataContext(name: "qemu:dirty-bitmap:b0", id: 9),
      ])
}

/// All requests at once: each that is taken ends once.
private func inFlight(_ choices: [[UInt8]], _ transmission: Transmission<InputStream>) {
  var awaited: [Cookie: Request] = [:]
  for choice in choices {
    let request = Request(
      Command(rawValue: UInt16(choice[0] % 9)) ?? .read, offset: UInt64(choice[2]),
      length: UInt64(choice[3]), flags: CommandFlags(rawValue: UInt16(choice[1] % 64)),
      contexts: choice[4] & 1 == 0 ? [] : [UInt32(choice[4] >> 1)])
    let payload = [UInt8](repeating: 0, count: request.command == .write ? Int(choice[3]) : 0)
    do {
      let cookie = try transmission.submit(request, payload: payload)
      precondition(awaited.updateValue(request, forKey: cookie) == nil, "a cookie for two")
    } catch {
      precondition(!error.description.isEmpty, "a failure without words")
    }
  }
  while let completion = transmission.next() {
    let request = awaited.removeValue(forKey: completion.cookie)
    precondition(request == completion.request, "an end that nobody awaits")
    switch completion.result {
    case .success(.data(let pieces)): checkPieces(pieces, completion.request)
    case .success(.status(let statuses)):
      precondition(!statuses.isEmpty, "a status of nothing")
      for status in statuses { checkExtents(status.extents, from: completion.request.offset) }
    case .success(.done): break
    case .failure(let error): precondition(!error.description.isEmpty, "a failure without words")
    }
  }
  precondition(awaited.isEmpty, "a request without an end")
}

/// One after the other, in as many pieces as it takes.
private func whole(_ choices: [[UInt8]], _ transmission: Transmission<InputStream>) {
  for choice in choices {
    let (offset, length) = (UInt64(choice[2]), UInt64(choice[3]) << (choice[1] % 56))
    do {
      switch choice[0] % 3 {
      case 0:
        // Its pieces stand in one row, and end where the request does.
        var position = offset
        var isStopped = false
        try transmission.read(offset: offset, length: min(length, 65536)) { piece in
          precondition(piece.offset == position, "a gap")
          position += piece.length
          isStopped = choice[4] & 1 != 0
          return !isStopped
        }
        precondition(isStopped || position == offset + min(length, 65536), "a part is missing")
      case 1:
        var ends: [UInt32: UInt64] = [:]
        try transmission.blockStatus(offset: offset, length: length) { context, extent in
          precondition(extent.offset == ends[context.id] ?? offset, "a gap")
          precondition(extent.length > 0 || length == 0, "an empty extent")
          ends[context.id] = extent.end
          return true
        }
        precondition(ends.values.allSatisfy { $0 == offset + length }, "a part is missing")
      default: _ = try transmission.perform(Request(.flush))
      }
    } catch {
      precondition(!error.description.isEmpty, "a failure without words")
    }
  }
}

private func checkPieces(_ pieces: [Piece], _ request: Request) {
  var position = request.offset
  for piece in pieces {
    precondition(piece.offset == position && piece.length > 0, "a gap")
    position += piece.length
  }
  precondition(position == request.offset + request.length, "a part is missing")
}

private func checkExtents(_ extents: [Extent], from begin: UInt64) {
  var position = begin
  for extent in extents {
    precondition(extent.offset == position && extent.length > 0, "a gap")
    position = extent.end
  }
}
