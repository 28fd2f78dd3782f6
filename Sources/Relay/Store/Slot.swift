// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD

/// A request on its way through the relay.
struct Slot {
  /// Where it comes from.
  enum Origin {
    /// The kernel, through that socket; its reply carries the cookie.
    case kernel(socket: SocketID, cookie: Cookie)
    /// The relay itself, to empty the ledger.
    case flush
    /// The ledger, after the server may have lost the write.
    case replay
  }

  /// Where it is.
  enum State {
    case free
    /// The data of a write is arriving from the kernel.
    case arriving
    /// Waits for a connection.
    case pending
    /// Being sent.
    case leaving
    /// A reply is awaited.
    case sent
    /// The server has executed it, and a flush must follow before the reply to the kernel (rule `durable`).
    case held
    /// It was on a connection that is not over yet (rule `drain`).
    case closing
    /// The reply is being sent to the kernel.
    case answering
  }

  var state = State.free
  var origin = Origin.flush
  var command = Command.flush
  var flags: CommandFlags = []
  var offset: UInt64 = 0
  var length: UInt64 = 0
  /// Where the data is: in the store of writes for a write, in that of reads for a read.
  var block: Pages.Block?

  /// Whether it is one of the changes in progress.
  var isCounted = false

  /// How many bytes of the range earlier pieces have covered, and the length of the current piece: what is
  /// longer than the server accepts is sent piece by piece.
  var done: UInt64 = 0
  var piece: UInt64 = 0

  /// The connection, and the cookie of this transmission of the request on it.
  var connection = ConnectionID(index: 0)
  var cookie: Cookie = 0
  /// When the time for its reply began, in microseconds of the monotonic clock: when enough of the request
  /// or the reply had been transferred, or when it became the one that has waited longest.
  var sentAt: Int64 = 0
  /// How many bytes of the reply have arrived since.
  var progress = 0
  /// Since when it has waited for its reply, in microseconds of the clock that includes suspend.
  var arrivedAt: Int64 = 0
  /// How often a connection was given up because the reply did not arrive.
  var silences = 0
  /// The end of the ledger when it was sent (a flush) or executed (a durable write).
  var mark: UInt64 = 0
  /// Which flush it is.
  var flushNumber: UInt64 = 0

  /// How much of a read's piece has arrived from its start without a gap.
  var covered: UInt64 = 0
  /// What has arrived beyond that.
  var scattered: Coverage?
  var chunks = 0
  /// The server's error; 0 means none.
  var error: UInt32 = 0

  /// Where the reply begins in the stream to the kernel.
  var answerPosition: UInt64 = 0

  /// The neighbours in the list it is in.
  var next: SlotID?
  var previous: SlotID?

  /// Clears the reply so far, because a later transmission begins anew.
  mutating func forgetReply() {
    progress = 0
    covered = 0
    scattered = nil
    chunks = 0
    error = 0
  }

  /// The current piece, as sent to the server.
  var request: Request {
    Request(command, offset: offset + done, length: piece, flags: flags)
  }

  var isFromKernel: Bool { if case .kernel = origin { true } else { false } }

  /// Whether the kernel has sent it, and its reply is not being sent yet.
  var isWaiting: Bool {
    switch state {
    case .pending, .leaving, .sent, .held, .closing: isFromKernel
    case .free, .arriving, .answering: false
    }
  }
}
