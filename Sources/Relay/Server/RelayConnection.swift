// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Transport

/// A connection to the server that comes and goes, and how far requests and replies have got on it.
struct RelayConnection {
  /// What it may carry; docs/model has the same names.
  enum State: Equatable {
    case down
    /// Made while others are in use, or old ones are not over, so it is not yet known to reach the same
    /// server: rule `join` awaits the flush of that number.
    case joining(flush: UInt64)
    /// The first after an outage: it carries the ledger and nothing else (rule `first`).
    case replaying
    case up
  }

  var state = State.down
  var stream: ServerStream?

  // What was negotiated, as far as the relay looks at it.
  var replies = ReplyStyle.simple
  var flags: TransmissionFlags = []
  /// The most bytes that a read or write has on this connection.
  var largestPayload: UInt64 = 0

  /// The server ends the connection once it has answered what it has.
  var isShuttingDown = false
  /// A system call has failed on it.
  var hasFailed = false
  /// When the server last said something, or the connection came, in microseconds of the monotonic clock.
  var heardAt: Int64 = 0
  /// Where the loop finds out whether it is ready.
  var entry: Int?

  var buffer: ReceiveBuffer
  /// The data of a read that is arriving.
  var data: ArrivingData?
  /// More may have come than has been looked at.
  var hasMore = false

  /// Requests on their way out, and how many bytes of the first one have been sent.
  var leaving = SlotList()
  var left = 0
  /// The connection takes nothing now.
  var isBlocked = false
  /// Requests whose replies are awaited, in the order in which they were sent.
  var sent = SlotList()
  /// Durable writes that the server has done and a flush has to follow (rule `durable`), and the flush
  /// that it has done while durable writes were under way (rule `fail alone`).
  var held = SlotList()

  init() throws(SystemError) {
    buffer = try ReceiveBuffer()
  }

  private init(_ buffer: ReceiveBuffer) {
    self.buffer = buffer
    self.buffer.removeAll()
  }

  /// Makes it one that is down.
  mutating func reset() { self = RelayConnection(buffer) }

  var isInUse: Bool {
    switch state {
    case .up, .replaying: true
    case .down, .joining: false
    }
  }
  var requestCount: Int { leaving.count + sent.count }
}

/// Data that follows the header of a reply or a chunk.
struct ArrivingData {
  var slot: SlotID
  /// Where it goes in the store of reads.
  var place: Int
  var left: Int
  /// The reply ends with it.
  var isLast: Bool
}
