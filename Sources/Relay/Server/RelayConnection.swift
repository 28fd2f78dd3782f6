// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Transport

/// A connection to the server that comes and goes, and how far requests and replies have got on it.
struct RelayConnection {
  enum State: Equatable {
    case down
    /// Connected beside others, and not yet known to reach the same server: rule `join` awaits this flush.
    case joining(flush: UInt64)
    /// The first after an outage: it carries the ledger and nothing else (rule `first`).
    case replaying
    case up
  }

  var state = State.down
  var stream: ServerStream?
  var terms: Negotiated?
  /// The most bytes that a read or write has on this connection.
  var largestPayload: UInt64 = 0
  /// The server ends the connection once it has answered what it has.
  var isClosing = false

  var inlet: ReceiveBuffer
  /// The data of a read that is arriving.
  var data: ArrivingData?
  /// More may have come than has been looked at.
  var hasMore = false

  /// Requests on their way out, and how many bytes of the first one have been sent.
  var leaving = SlotList()
  var left = 0
  /// When the server last said something, or the connection came, in microseconds of the monotonic clock.
  var heardAt: Int64 = 0
  /// The connection takes nothing now.
  var isBlocked = false
  /// Requests whose replies are awaited, in the order in which they were sent.
  var sent = SlotList()
  /// Durable writes that the server has done and a flush has to follow (rule `durable`), and the flush
  /// that it has done while durable writes were under way (rule `fail alone`).
  var held = SlotList()
  /// A system call has failed on it.
  var hasFailed = false

  init() throws(SystemError) {
    inlet = try ReceiveBuffer()
  }

  var isInUse: Bool { state == .up || state == .replaying }
  var requestCount: Int { leaving.count + sent.count }
}

/// Data that follows the header of a reply or a chunk.
struct ArrivingData {
  var slot: Int
  /// Where it goes in the store of reads.
  var place: Int
  var left: Int
  /// The reply ends with it.
  var isLast: Bool
}
