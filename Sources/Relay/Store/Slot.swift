// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD

/// A request on its way through the relay.
struct Slot {
  /// Who wants it done.
  enum Origin {
    /// The kernel, through that socket; the cookie is for its reply.
    case kernel(socket: SocketID, cookie: Cookie)
    /// The relay itself, to empty the ledger.
    case flush
    /// The ledger, after the server may have lost it.
    case replay
  }

  /// Where it is.
  enum State {
    case free
    /// The data of a write is coming from the kernel.
    case arriving
    /// Waits for a connection.
    case pending
    /// Being sent.
    case leaving
    /// A reply is awaited.
    case sent
    /// The server has done it, and a flush has to follow before the kernel may know (rule `durable`).
    case held
    /// It was on a connection that is not over yet (rule `drain`).
    case closing
    /// The reply is being given to the kernel.
    case answering
  }

  var state = State.free
  var origin = Origin.flush
  var command = Command.flush
  var flags: CommandFlags = []
  var offset: UInt64 = 0
  var length: UInt64 = 0
  /// Where the data is: of a write in the store of writes, of a read in that of reads.
  var block: Pages.Block?

  /// It is one of the changes that are under way.
  var isCounted = false

  /// How many bytes of the range earlier pieces have dealt with, and how many the present one is for:
  /// what is longer than the server takes goes piece by piece.
  var done: UInt64 = 0
  var piece: UInt64 = 0

  /// The connection, and what stands for this sending of the request on it.
  var connection = ConnectionID(index: 0)
  var cookie: Cookie = 0
  /// When the time for its reply began, in microseconds of the monotonic clock: when enough of either
  /// had moved, or when it became the one that has waited longest.
  var sentAt: Int64 = 0
  /// How many bytes of the reply have come since.
  var progress = 0
  /// Since when it waits to be answered, in microseconds of the clock that goes on in suspend.
  var arrivedAt: Int64 = 0
  /// How often a connection was given up because the reply did not come.
  var silences = 0
  /// The end of the ledger: of a flush, when it was sent; of a durable write, when it was done.
  var mark: UInt64 = 0
  /// Which flush it is.
  var flushNumber: UInt64 = 0

  /// The part of a read's piece, from its start on, that has come without a gap.
  var covered: UInt64 = 0
  /// What has come beyond that.
  var scattered: Coverage?
  var chunks = 0
  /// The server's error; 0 is none.
  var error: UInt32 = 0

  /// The neighbours in the list it is in.
  var next: SlotID?
  var previous: SlotID?

  /// Whether a later sending of it has to begin anew.
  mutating func forgetReply() {
    progress = 0
    covered = 0
    scattered = nil
    chunks = 0
    error = 0
  }

  /// The piece under way, as it is asked of the server.
  var request: Request {
    Request(command, offset: offset + done, length: piece, flags: flags)
  }

  var isFromKernel: Bool { if case .kernel = origin { true } else { false } }

  /// The kernel has asked for it, and is not being answered yet.
  var isWaiting: Bool {
    switch state {
    case .pending, .leaving, .sent, .held, .closing: isFromKernel
    case .free, .arriving, .answering: false
    }
  }
}
