// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD

/// A request on its way through the relay.
struct Slot {
  /// Who wants it done.
  enum Origin {
    /// The kernel, through the socket of that index; the cookie is for its reply.
    case kernel(socket: Int, cookie: Cookie)
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
  var lane = 0
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
  var next = Slot.none
  var previous = Slot.none

  static let none = -1

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

/// A chain of slots, first in, first out.
struct SlotList {
  fileprivate(set) var first = Slot.none
  fileprivate(set) var last = Slot.none
  fileprivate(set) var count = 0

  var isEmpty: Bool { count == 0 }
}

/// All slots; each is in at most one list.
struct Slots {
  private var slots: ContiguousArray<Slot>
  private(set) var free = SlotList()

  init(count: Int) {
    slots = ContiguousArray(repeating: Slot(), count: count)
    for index in slots.indices { giveBack(index) }
  }

  var count: Int { slots.count }

  subscript(index: Int) -> Slot {
    get { slots[index] }
    _modify { yield &slots[index] }
  }

  /// Takes a slot that is in no list; nil if fewer than `spare` would be left for others.
  mutating func take(leaving spare: Int) -> Int? {
    guard free.count > spare else { return nil }
    // A copy, because a list in here cannot be changed by what changes the rest.
    var list = free
    let index = removeFirst(of: &list)
    free = list
    slots[index] = Slot()
    return index
  }

  mutating func giveBack(_ index: Int) {
    slots[index].state = .free
    slots[index].scattered = nil
    var list = free
    append(index, to: &list)
    free = list
  }

  mutating func append(_ index: Int, to list: inout SlotList) {
    slots[index].previous = list.last
    slots[index].next = Slot.none
    if list.last != Slot.none { slots[list.last].next = index } else { list.first = index }
    list.last = index
    list.count += 1
  }

  mutating func remove(_ index: Int, from list: inout SlotList) {
    let (previous, next) = (slots[index].previous, slots[index].next)
    if previous != Slot.none { slots[previous].next = next } else { list.first = next }
    if next != Slot.none { slots[next].previous = previous } else { list.last = previous }
    list.count -= 1
  }

  mutating func removeFirst(of list: inout SlotList) -> Int {
    let index = list.first
    remove(index, from: &list)
    return index
  }

  /// Puts all of a list ahead of what is in another, in their order.
  mutating func prepend(_ list: inout SlotList, to other: inout SlotList) {
    guard !list.isEmpty else { return }
    slots[list.last].next = other.first
    if other.first != Slot.none {
      slots[other.first].previous = list.last
    } else {
      other.last = list.last
    }
    other.first = list.first
    other.count += list.count
    list = SlotList()
  }
}
