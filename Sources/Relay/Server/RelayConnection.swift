// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Transport

/// A connection to the server that comes and goes, and the progress of requests and replies on it.
struct RelayConnection {
  /// What it may carry; docs/model uses the same names.
  enum State: Equatable {
    case down
    /// Made while others are in use, or old ones are not over, so it is not yet known to reach the same
    /// server: rule `join` waits for the flush with that number.
    case joining(flush: UInt64)
    /// The first after an outage: it carries the ledger and nothing else (rule `first`).
    case replaying
    case up
  }

  var state = State.down
  var stream: ServerStream?
  /// The caller's number for the stream; 0: it has none.
  var number = 0

  // The negotiated terms, as far as the relay needs them.
  var replies = ReplyStyle.simple
  var flags: TransmissionFlags = []
  /// The most bytes of one read or write on this connection.
  var largestPayload: UInt64 = 0

  /// The server will close the connection once it has replied to all its requests.
  var isShuttingDown = false
  /// A system call has failed on it.
  var hasFailed = false
  /// When the server last sent something, or the connection was made, in microseconds of the monotonic clock.
  var heardAt: Int64 = 0
  /// Its entry in the poll set of the loop, which shows whether it is ready.
  var entry: Int?

  var buffer: ReceiveBuffer
  /// The data of a read that is arriving.
  var data: ArrivingData?
  /// More may have arrived than has been processed.
  var hasMore = false

  /// Requests being sent, and how many bytes of the first one have been sent.
  var leaving = SlotList()
  var left = 0
  /// The connection accepts nothing now.
  var isBlocked = false
  /// Requests whose replies are awaited, in the order in which they were sent.
  var sent = SlotList()
  /// Durable writes that the server has executed and that a flush must follow (rule `durable`), and the
  /// flush that it has executed while durable writes were in progress (rule `fail alone`).
  var held = SlotList()

  init() throws(SystemError) {
    buffer = try ReceiveBuffer()
  }

  private init(_ buffer: ReceiveBuffer) {
    self.buffer = buffer
    self.buffer.removeAll()
  }

  /// Resets it to the state down.
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
  /// It ends the reply.
  var isLast: Bool
}
