// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD

/// A request of the kernel as the Record has it.
struct RecordedRequest {
  var slot: SlotID
  /// In the order in which requests were accepted; no two have the same.
  var number: UInt64
  var socket: SocketID
  var cookie: Cookie
  var command: Command
  var flags: CommandFlags
  var offset: UInt64
  var length: UInt64
  /// Where its data is: in the store of writes for a write, in that of reads for a read; nil: nowhere.
  var place: Int?
  /// The position in the kernel's stream at which its header ends and its data begins.
  var begin: UInt64
  /// The data that had come along with the header is in the store.
  var isCopied: Bool
  /// Since when it has waited, in microseconds of the clock that includes suspend.
  var arrivedAt: Int64
  /// The position of the answer in the stream to the kernel; nil: it is not answered.
  var answer: UInt64?
  var error: UInt32

  /// How many bytes follow the header in the kernel's stream.
  var dataByteCount: UInt64 { command == .write ? length : 0 }
  /// How many bytes the answer has.
  var answerByteCount: UInt64 {
    UInt64(Engine.answerHeaderRoom) + (command == .read && error == 0 ? length : 0)
  }
}

extension RecordedRequest {
  /// A request that was just accepted; all data that came with it is where it belongs.
  init(
    _ slot: SlotID, _ request: Slot, number: UInt64, from socket: SocketID, cookie: Cookie,
    begin: UInt64
  ) {
    self.init(
      slot: slot, number: number, socket: socket, cookie: cookie, command: request.command,
      flags: request.flags, offset: request.offset, length: request.length,
      place: request.block?.place, begin: begin, isCopied: true, arrivedAt: request.arrivedAt,
      answer: nil, error: 0)
  }
}

/// The kernel's requests.
extension Record {
  private typealias Word = RecordLayout.Slot

  /// A number for the next request.
  func takeNumber() -> UInt64 {
    lastRequest += 1
    return lastRequest
  }

  /// Records a request; valid once `parsed` of its socket includes it.
  func write(_ request: RecordedRequest) {
    let place = layout.slot(request.slot)
    set(UInt64(request.socket.index), at: place + Word.socket)
    set(request.cookie, at: place + Word.cookie)
    let flags = UInt64(request.flags.rawValue)
    set(UInt64(request.command.rawValue) | flags << 16, at: place + Word.command)
    set(request.offset, at: place + Word.offset)
    set(request.length, at: place + Word.length)
    set(request.place.map { UInt64($0) + 1 } ?? 0, at: place + Word.block)
    set(request.begin, at: place + Word.begin)
    set(request.isCopied ? 1 : 0, at: place + Word.isCopied)
    set(UInt64(bitPattern: request.arrivedAt), at: place + Word.arrivedAt)
    set(request.answer.map { $0 + 1 } ?? 0, at: place + Word.answer)
    set(UInt64(request.error), at: place + Word.error)
    set(request.number, at: place + Word.number)
  }

  /// Whether a request is accepted, and the kernel does not have all of its answer.
  func isOpen(_ request: RecordedRequest) -> Bool {
    // Until then it is not accepted: the header is read again.
    guard request.begin + request.dataByteCount <= parsed(request.socket) else { return false }
    return request.answer.map { $0 + request.answerByteCount > sent(request.socket) } ?? true
  }

  /// The number of the request in a slot; 0: there is none.
  func number(of slot: SlotID) -> UInt64 { control.load(layout.slot(slot) + Word.number) }

  /// Records that the data that came along with the header of a write is in the store.
  func setCopied(_ slot: SlotID) { set(1, at: layout.slot(slot) + Word.isCopied) }

  /// Records the answer to a request, which begins at that position of the stream to the kernel.
  func answer(_ slot: SlotID, _ error: UInt32, at position: UInt64) {
    set(UInt64(error), at: layout.slot(slot) + Word.error)
    set(position + 1, at: layout.slot(slot) + Word.answer)
  }

  /// Forgets a request whose answer has gone, or is not awaited.
  func free(_ slot: SlotID) {
    if number(of: slot) != 0 { set(0, at: layout.slot(slot) + Word.number) }
  }

  /// What is recorded in a slot; nil: nothing.
  func request(in slot: SlotID) throws(Flaw) -> RecordedRequest? {
    let place = layout.slot(slot)
    let number = control.load(place + Word.number)
    if number == 0 { return nil }
    let word = control.load(place + Word.command)
    let socket = control.load(place + Word.socket)
    let (block, answer) = (control.load(place + Word.block), control.load(place + Word.answer))
    guard let command = Command(rawValue: UInt16(truncatingIfNeeded: word)), word >> 32 == 0,
      socket < UInt64(layout.socketCount), block <= UInt64(Int.max), answer < 1 << 62
    else { throw .contradiction("the request in slot \(slot.index)") }
    let request = RecordedRequest(
      slot: slot, number: number, socket: SocketID(index: Int(socket)),
      cookie: control.load(place + Word.cookie), command: command,
      flags: CommandFlags(rawValue: UInt16(truncatingIfNeeded: word >> 16)),
      offset: control.load(place + Word.offset), length: control.load(place + Word.length),
      place: block == 0 ? nil : Int(block) - 1, begin: control.load(place + Word.begin),
      isCopied: control.load(place + Word.isCopied) != 0,
      arrivedAt: Int64(bitPattern: control.load(place + Word.arrivedAt)),
      answer: answer == 0 ? nil : answer - 1,
      error: UInt32(truncatingIfNeeded: control.load(place + Word.error)))
    guard request.begin < 1 << 62,
      request.length <= UInt64(UInt32.max), request.offset <= UInt64.max - request.length
    else { throw .contradiction("the request in slot \(slot.index)") }
    return request
  }
}

/// The entries of the ledger.
extension Record {
  private typealias EntryWord = RecordLayout.Entry

  /// Records an entry; valid once `ledgerNext` includes it.
  ///
  /// `request` is the number of the request that it is of.
  func write(_ entry: Ledger.Entry, of request: UInt64, at index: Int) {
    let place = layout.entry(index)
    let flags = UInt64(entry.flags.rawValue)
    set(UInt64(entry.command.rawValue) | flags << 16, at: place + EntryWord.command)
    set(entry.offset, at: place + EntryWord.offset)
    set(entry.length, at: place + EntryWord.length)
    set(entry.place.map { UInt64($0) + 1 } ?? 0, at: place + EntryWord.block)
    set(request, at: place + EntryWord.request)
  }

  func entry(at index: Int) -> Ledger.Entry {
    let place = layout.entry(index)
    let word = control.load(place + EntryWord.command)
    let block = control.load(place + EntryWord.block)
    return Ledger.Entry(
      command: Command(rawValue: UInt16(truncatingIfNeeded: word)) ?? .flush,
      flags: CommandFlags(rawValue: UInt16(truncatingIfNeeded: word >> 16)),
      offset: control.load(place + EntryWord.offset),
      length: control.load(place + EntryWord.length),
      place: block == 0 ? nil : Int(truncatingIfNeeded: block &- 1))
  }

  /// The number of the request that an entry is of.
  func request(ofEntry index: Int) -> UInt64 {
    control.load(layout.entry(index) + EntryWord.request)
  }
}
