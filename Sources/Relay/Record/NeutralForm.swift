// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux

/// What a relay that has let go of its device leaves: all that its Record says, in a form that never changes.
///
/// Every version of nbdd writes it and reads it. So an upgrade or downgrade by a restart works across any number of
/// versions, whatever the layouts of their Records are; only after a crash must the next nbdd know the layout.
///
/// The first page is that of a Record whose layout has the number 0 (`Header`). From the second page on there are
/// chunks, each at a multiple of 8:
///
/// | place | of a chunk, in the byte order of the machine |
/// |---|---|
/// | 0 | its kind, and from bit 32 on the socket to the kernel that it is about |
/// | 8 | since when the request has waited, in microseconds of the clock that includes suspend |
/// | 16 | how much of the data of a write the kernel has sent, in bytes |
/// | 24 | how many bytes follow |
///
/// Requests are as in the NBD protocol (compact form), and so are replies (simple form). Chunks of requests are in the
/// order in which the kernel has sent them, and those that are kept in that of their acknowledgement.
struct NeutralForm {
  /// The number that its first page has in the place of that of a layout.
  static let version: UInt64 = 0

  enum Kind: UInt32 {
    /// What the daemon wants its successor to know.
    case text = 1
    /// A request of the kernel without a reply; a write with as much of its data as the kernel has sent.
    case request = 2
    /// The header of a write that fails when the kernel has sent all of its data, which is discarded.
    case refused = 3
    /// What the kernel has sent after the requests of that socket.
    case unread = 4
    /// Replies, from the first byte on that is not sent to the kernel.
    case replies = 5
    /// A write, write zeroes or trim, with its data, that was acknowledged and that no flush covers.
    case kept = 6
  }

  struct Chunk {
    /// The size of what comes before the bytes.
    static let headByteCount = 32

    var kind: Kind
    var socket = SocketID(index: 0)
    var since: Int64 = 0
    var arrived: UInt64 = 0
    /// Where its bytes are.
    var bytes = 0..<0

    /// How much room a chunk of so many bytes takes.
    static func room(for byteCount: Int) -> Int { headByteCount + (byteCount + 7) & ~7 }
  }

  /// Words of the first page; `magic`, `version`, `fileByteCount` and `mutex` are where every Record has them.
  enum Header {
    static let socketCount = 16
    /// How many bytes of acknowledged writes may wait for a flush.
    static let unflushedLimit = 24
    /// Where the chunks end.
    static let end = 40
    /// Not 0: a relay has continued from it, and it is void.
    static let isTaken = 48
    static let outagePolicy = 152
    static let lastSign = 160
    static let successions = 176
    static let byteCount = 4096
  }

  let region: Region

  var socketCount: Int { Int(truncatingIfNeeded: region.load(Header.socketCount)) }

  /// Held by whoever continues from it.
  var fence: RobustMutex { RobustMutex(in: region, at: RecordLayout.Header.mutex) }

  var isTaken: Bool {
    get { region.load(Header.isTaken) != 0 }
    nonmutating set { region.store(newValue ? 1 : 0, at: Header.isTaken) }
  }

  /// Nil if the memory has a Record, of whatever layout.
  init?(opening descriptor: Descriptor) throws(Record.Flaw) {
    let file = try mapError(try MemoryFile(opening: descriptor), to: Record.Flaw.system)
    guard file.byteCount >= Header.byteCount else { throw .notARecord }
    region = try mapError(
      try Region(file, at: 0, byteCount: file.byteCount), to: Record.Flaw.system)
    guard region.load(RecordLayout.Header.magic) == RecordLayout.magic else { throw .notARecord }
    guard region.load(RecordLayout.Header.version) == Self.version else { return nil }
    guard 1...UInt64(RecordLayout.mostSockets) ~= region.load(Header.socketCount),
      region.load(Header.unflushedLimit) <= 1 << 40,
      region.load(RecordLayout.Header.fileByteCount) == UInt64(file.byteCount)
    else { throw .contradiction("its sizes") }
  }

  /// All chunks, in order.
  func chunks() throws(Record.Flaw) -> [Chunk] {
    let end = region.load(Header.end)
    guard end >= Header.byteCount, end <= UInt64(region.byteCount) else {
      throw .contradiction("its sizes")
    }
    var chunks: [Chunk] = []
    var place = Header.byteCount
    while place < Int(end) {
      let bytes = place + Chunk.headByteCount
      guard bytes <= Int(end) else { throw .contradiction("the chunk at \(place)") }
      let first = region.load(place)
      let (socket, byteCount) = (first >> 32, region.load(place + 24))
      guard let kind = Kind(rawValue: UInt32(truncatingIfNeeded: first)),
        socket < UInt64(socketCount), byteCount <= UInt64(Int(end) - bytes)
      else { throw .contradiction("the chunk at \(place)") }
      chunks.append(
        Chunk(
          kind: kind, socket: SocketID(index: Int(socket)),
          since: Int64(bitPattern: region.load(place + 8)), arrived: region.load(place + 16),
          bytes: bytes..<bytes + Int(byteCount)))
      place += Chunk.room(for: Int(byteCount))
    }
    return chunks
  }
}
