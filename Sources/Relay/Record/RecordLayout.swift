// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// Where everything is in the memory file of a Record, in bytes.
///
/// Magic number, version, size and mutex are at their places in every layout: by them another nbdd recognizes a Record
/// that it cannot read. 0 is the version of what is no Record but a `NeutralForm`.
struct RecordLayout: Equatable {
  /// A program reads its own layout only.
  #if TEST_SWITCHES
    /// Tests ask for other layouts, with everything at other places.
    static let version = Environment["NBDD_TEST_LAYOUT"].flatMap { UInt64($0) } ?? 1
    private static let shift = Int(version - 1) * 4096
  #else
    static let version: UInt64 = 1
    private static let shift = 0
  #endif
  static let magic: UInt64 = 0x6e62_6464_5265_6364

  /// Words of the first page.
  enum Header {
    static let magic = 0
    static let version = 8
    static let socketCount = 16
    static let writesByteCount = 24
    static let fileByteCount = 32
    static let readsByteCount = 40
    static let mutex = 64
    /// Numbers of the oldest entry of the ledger, of the next one, and of the one at the first place.
    static let ledgerFirst = 128
    static let ledgerNext = 136
    static let ledgerBase = 144
    static let outagePolicy = 152
    static let lastSign = 160
    /// The half of the text area that counts, and the length of the text in it.
    static let text = 168
    /// How often a relay has continued from this Record.
    static let successions = 176
    /// Faults of threads, as `FaultNote` writes them.
    static let faults = 192
    static let byteCount = 4096
  }

  /// Words of a socket, which has a page of its own.
  enum Socket {
    static let received = 0
    static let parsed = 8
    static let sent = 16
    /// Positions at which the counters of consumed bytes began.
    static let receivedBase = 24
    static let sentBase = 32
    static let receiveNote = 128
    static let sendNote = 256
    static let byteCount = 4096
  }

  /// Words of a slot.
  enum Slot {
    static let number = 0
    static let socket = 8
    static let cookie = 16
    static let command = 24
    static let offset = 32
    static let length = 40
    static let block = 48
    static let begin = 56
    static let isCopied = 64
    static let arrivedAt = 72
    static let answer = 80
    static let error = 88
    static let byteCount = 96
  }

  /// Words of an entry of the ledger.
  enum Entry {
    static let command = 0
    static let offset = 8
    static let length = 16
    static let block = 24
    static let request = 32
    static let byteCount = 64
  }

  static let textByteCount = 64 << 10
  static let ringByteCount = 128 << 10
  static let ledgerCapacity = 16384
  /// More sockets than a device can have connections.
  static let mostSockets = 64

  let socketCount: Int
  let slotCount: Int
  let writesByteCount: Int
  let readsByteCount: Int

  init(socketCount: Int, writesByteCount: Int, readsByteCount: Int) {
    self.socketCount = socketCount
    self.writesByteCount = Self.pages(writesByteCount)
    self.readsByteCount = Self.pages(readsByteCount)
    slotCount = socketCount * Engine.slotsPerSocket + Engine.ownSlots
  }

  // The control part, which is mapped and dumped as a whole.
  private var sockets: Int { Header.byteCount + Self.shift }
  private var slots: Int { sockets + socketCount * Socket.byteCount }
  /// The end of what is used at once.
  var controlEnd: Int { Self.pages(slots + slotCount * Slot.byteCount) }
  var text: Int { controlEnd }
  private var ledger: Int { text + Self.textByteCount }
  var controlByteCount: Int { ledger + Self.ledgerCapacity * Entry.byteCount }

  // The data, each mapped on its own.
  func ring(_ socket: Int) -> Int { controlByteCount + socket * Self.ringByteCount }
  var writes: Int { ring(socketCount) }
  var reads: Int { writes + writesByteCount }
  var fileByteCount: Int { reads + readsByteCount }

  func socket(_ socket: SocketID) -> Int { sockets + socket.index * Socket.byteCount }
  func slot(_ slot: SlotID) -> Int { slots + slot.index * Slot.byteCount }
  func entry(_ place: Int) -> Int { ledger + place * Entry.byteCount }

  /// Rounded up to whole pages.
  static func pages(_ byteCount: Int) -> Int { (byteCount + 4095) & ~4095 }
}
