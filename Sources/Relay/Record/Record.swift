// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
package import Linux

/// What must not be forgotten when a relay's thread ends in the middle of its work: the requests of the kernel,
/// how far the streams from and to it have got, the ledger, and all data of these.
///
/// It is memory that other processes can keep. A successor continues from it as after an outage (`Engine+Recovery`);
/// what is not in here is either worthless after an outage or can be derived. Each change is made valid by the store
/// of a single word, and everything that the word makes valid is stored before it:
///
/// | change | word |
/// |---|---|
/// | bytes have come from the kernel | `received` of the socket; until then the note of the transfer |
/// | a request is accepted | `parsed` of the socket |
/// | the data of a write is in the store as far as it came with the header | `isCopied` of the slot |
/// | an acknowledged write is kept | `next` of the ledger |
/// | a request is answered | `answer` of the slot: the position of the answer in the stream to the kernel |
/// | bytes have gone to the kernel | `sent` of the socket; until then the note of the transfer |
/// | a slot is free | `number` of the slot |
/// | a flush covers entries | `first` of the ledger |
///
/// Only the thread that holds `fence` may change it.
package final class Record: @unchecked Sendable {
  /// Why a relay cannot continue from a Record.
  package enum Flaw: Error, Sendable, Equatable, CustomStringConvertible {
    /// The memory cannot be mapped or taken.
    case system(SystemError)
    case notARecord
    case unknownVersion(UInt64)
    /// Another process has continued from it, or is about to.
    case isTaken
    /// It contradicts itself.
    case contradiction(String)

    package var description: String {
      switch self {
      case .system(let error): "\(error)"
      case .notARecord: "it is not a Record of nbdd"
      case .unknownVersion(let version):
        "its layout is version \(version), and this nbdd reads version \(RecordLayout.version) only"
      case .isTaken: "another process has continued from it"
      case .contradiction(let what): "it contradicts itself: \(what)"
      }
    }
  }

  /// The memory; whoever has a descriptor of it can continue.
  package let file: MemoryFile
  let layout: RecordLayout
  let control: Region
  let writes: Region
  let reads: Region
  let rings: [Region]
  /// The number of the last request.
  var lastRequest: UInt64 = 0
  /// Up to where memory was taken for the ledger, in entries.
  private var ledgerRoom = 0

  /// Creates an empty Record for a device with that many sockets to the kernel.
  ///
  /// ENOMEM, ENOSPC: there is not enough memory.
  package init(
    named name: String, socketCount: Int, unflushedLimit: Int, readsByteCount: Int = 0
  ) throws(SystemError) {
    layout = RecordLayout(
      socketCount: socketCount, writesByteCount: max(unflushedLimit, DeviceRelay.largestRequest),
      readsByteCount: max(readsByteCount, DeviceRelay.largestRequest))
    file = try MemoryFile(named: "nbdd:\(name)", byteCount: layout.fileByteCount)
    (control, writes, reads, rings) = try Self.map(file, layout)
    guard control.take(0..<layout.controlEnd) else { throw SystemError.noMemory }
    RobustMutex(in: control, at: RecordLayout.Header.mutex).initialize()
    control.store(UInt64(socketCount), at: RecordLayout.Header.socketCount)
    control.store(UInt64(layout.writesByteCount), at: RecordLayout.Header.writesByteCount)
    control.store(UInt64(layout.readsByteCount), at: RecordLayout.Header.readsByteCount)
    control.store(UInt64(layout.fileByteCount), at: RecordLayout.Header.fileByteCount)
    control.store(RecordLayout.version, at: RecordLayout.Header.version)
    control.store(RecordLayout.magic, at: RecordLayout.Header.magic)
  }

  /// Maps a Record that another thread or process has left.
  ///
  /// Changes nothing in it.
  package init(opening descriptor: Descriptor) throws(Flaw) {
    file = try mapError(try MemoryFile(opening: descriptor), to: Flaw.system)
    guard file.byteCount >= RecordLayout.Header.byteCount else { throw .notARecord }
    let header = try mapError(
      try Region(file, at: 0, byteCount: RecordLayout.Header.byteCount), to: Flaw.system)
    guard header.load(RecordLayout.Header.magic) == RecordLayout.magic else { throw .notARecord }
    let version = header.load(RecordLayout.Header.version)
    guard version == RecordLayout.version else { throw .unknownVersion(version) }
    let socketCount = header.load(RecordLayout.Header.socketCount)
    let writesByteCount = header.load(RecordLayout.Header.writesByteCount)
    let readsByteCount = header.load(RecordLayout.Header.readsByteCount)
    guard 1...UInt64(RecordLayout.mostSockets) ~= socketCount, writesByteCount <= 1 << 40,
      readsByteCount <= 1 << 40
    else { throw .contradiction("its sizes") }
    layout = RecordLayout(
      socketCount: Int(socketCount), writesByteCount: Int(writesByteCount),
      readsByteCount: Int(readsByteCount))
    guard header.load(RecordLayout.Header.fileByteCount) == UInt64(layout.fileByteCount),
      file.byteCount == layout.fileByteCount
    else { throw .contradiction("its sizes") }
    (control, writes, reads, rings) = try mapError(try Self.map(file, layout), to: Flaw.system)
  }

  private static func map(
    _ file: MemoryFile, _ layout: RecordLayout
  ) throws(SystemError) -> (control: Region, writes: Region, reads: Region, rings: [Region]) {
    let control = try Region(file, at: 0, byteCount: layout.controlByteCount, isDumped: true)
    let writes = try Region(file, at: layout.writes, byteCount: layout.writesByteCount)
    let reads = try Region(file, at: layout.reads, byteCount: layout.readsByteCount)
    var rings: [Region] = []
    for socket in 0..<layout.socketCount {
      let place = layout.ring(socket)
      guard file.take(place..<place + RecordLayout.ringByteCount) else {
        throw SystemError.noMemory
      }
      rings.append(
        try Region(ring: file, at: place, byteCount: RecordLayout.ringByteCount))
    }
    return (control, writes, reads, rings)
  }

  /// The number of sockets to the kernel.
  package var socketCount: Int { layout.socketCount }

  /// Held by the thread that relays: nobody else may use the sockets or change the Record.
  var fence: RobustMutex { RobustMutex(in: control, at: RecordLayout.Header.mutex) }

  // MARK: what does not concern requests

  /// What happens to requests while no connection is in use; the raw value of `Engine.OutagePolicy`.
  var outagePolicy: UInt64 {
    get { control.load(RecordLayout.Header.outagePolicy) }
    set { set(newValue, at: RecordLayout.Header.outagePolicy) }
  }

  /// When the server last gave a sign of life, in microseconds of the clock that includes suspend; 0: never.
  var lastSign: Int64 {
    get { Int64(bitPattern: control.load(RecordLayout.Header.lastSign)) }
    set { set(UInt64(bitPattern: newValue), at: RecordLayout.Header.lastSign) }
  }

  /// How often a relay has continued from this Record.
  package var successions: Int {
    Int(truncatingIfNeeded: control.load(RecordLayout.Header.successions))
  }

  func countSuccession() { setSuccessions(UInt64(successions + 1)) }
  func setSuccessions(_ count: UInt64) { set(count, at: RecordLayout.Header.successions) }

  func set(_ value: UInt64, at place: Int) { control.store(value, at: place) }

  /// What the daemon wants its successor to know.
  package var text: [UInt8] {
    let word = control.load(RecordLayout.Header.text)
    let length = Int(word & 0xffff_ffff)
    guard length <= RecordLayout.textByteCount / 2, word >> 32 <= 1 else { return [] }
    return control.read(textPlace(half: word >> 32), length) { bytes in
      var copy: [UInt8] = []
      for index in bytes.indices { copy.append(bytes[index]) }
      return copy
    }
  }

  /// Replaces `text`; returns false if it is too long or there is no memory, and the old one remains.
  package func setText(_ text: [UInt8]) -> Bool {
    let half = (control.load(RecordLayout.Header.text) >> 32) ^ 1 & 1
    let place = textPlace(half: half)
    guard text.count <= RecordLayout.textByteCount / 2,
      text.isEmpty || control.take(place..<place + text.count)
    else { return false }
    control.write(place, text.count) { bytes in
      for index in text.indices { bytes[index] = text[index] }
    }
    set(half << 32 | UInt64(text.count), at: RecordLayout.Header.text)
    return true
  }

  private func textPlace(half: UInt64) -> Int {
    layout.text + Int(half & 1) * RecordLayout.textByteCount / 2
  }

  // MARK: the ledger

  var ledgerFirst: UInt64 {
    get { control.load(RecordLayout.Header.ledgerFirst) }
    set { set(newValue, at: RecordLayout.Header.ledgerFirst) }
  }
  var ledgerNext: UInt64 {
    get { control.load(RecordLayout.Header.ledgerNext) }
    set { set(newValue, at: RecordLayout.Header.ledgerNext) }
  }
  var ledgerBase: UInt64 {
    get { control.load(RecordLayout.Header.ledgerBase) }
    set { set(newValue, at: RecordLayout.Header.ledgerBase) }
  }

  /// Takes memory for that many entries; returns false if there is none now.
  func makeLedgerRoom(for count: Int) -> Bool {
    while ledgerRoom < count {
      let step = 1024
      guard control.take(layout.entry(ledgerRoom)..<layout.entry(ledgerRoom + step)) else {
        return false
      }
      ledgerRoom += step
    }
    return true
  }
}
