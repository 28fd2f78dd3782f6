// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Synchronization
internal import Transport

/// All that a relay's thread knows: one loop over the kernel's sockets and the connections.
///
/// The rules that the comments name are those of docs/model. Nothing here allocates per request, waits
/// for anything but the descriptors of the loop, or writes a log.
struct Engine: ~Copyable {
  var settings: DeviceRelay.Settings
  let counters: RelayCounters
  let report: @Sendable (DeviceRelay.Event) -> Void
  let mailbox: Mailbox

  var sockets: ContiguousArray<KernelSocket>
  var lanes: ContiguousArray<RelayConnection>
  /// Connections that were given up and are not over yet (rule `drain`).
  var closing: ContiguousArray<ClosingConnection> = []
  var slots: Slots
  /// Requests that wait for a connection, in order.
  var pending = SlotList()
  var ledger: Ledger
  /// Requests of the kernel under way that will enter the ledger.
  var changesUnderWay = 0

  /// What is written, and what is read.
  let writes: Region
  let reads: Region
  var writePages: Pages
  var readPages: Pages
  /// The headers of requests and of answers, one of each for every slot.
  let requestHeaders: Region
  let answerHeaders: Region
  /// For what nobody listens to.
  let waste: Region
  let gather = Gather(capacity: 64)
  let readiness: Readiness

  /// Counts the sendings of requests, so that no two have the same cookie.
  var sendings = UInt64.random(in: 0..<(1 << 47))
  /// How many flushes have been sent.
  var flushes: UInt64 = 0
  /// The flush that is under way: one at a time (rule `fail alone`).
  var flush = Slot.none
  /// `sendings` when the server's answer to it came.
  var sendingsBeforeFlush: UInt64 = 0
  /// Flushes of the kernel that wait for a connection, or for the one under way.
  var pendingFlushes = SlotList()
  /// The relay wants one of its own.
  var wantsFlush = false

  /// The next entry of the ledger to be replayed, the end of the replay, and what is under way of it.
  var replayNext: UInt64 = 0
  var replayEnd: UInt64 = 0
  var replays = SlotCounter()

  /// What waits for a connection is answered with an error.
  var isFailing = false
  /// And there will be none any more.
  var isAbandoned = false
  var isStopped = false
  /// How often a request of the relay's own was not answered in time, since its last flush was.
  var silences = 0
  /// The time of this turn, in microseconds of the monotonic clock.
  var now: Int64 = 0
  /// The same of the clock that goes on in suspend.
  var bootNow: Int64 = 0
  /// By how much that is ahead.
  var suspendedBefore: Int64 = 0
  /// When the server was last heard of, as of the loss of the last connection, by that clock.
  var lastSign: Int64 = 0
  /// When a request, or the outage, may have lasted long enough, by that clock.
  var patienceEnd = Int64.max
  /// When memory that was not needed lately is given back.
  var trimAt = Int64.max
  /// The end of the ledger when memory was last given back, and how often it has been the same.
  var ledgerAtTrim: UInt64 = 0
  var idleTrims = 0
  /// Until then no failed request is told of.
  var nextFailureReport = Int64.min
  /// Room has come back, so what was held may go on.
  var hasNewRoom = false
  /// Something has happened that the next turn has to deal with before it waits.
  var isStirred = false

  /// Slots that only the relay itself takes, so that the kernel's requests cannot be in the way of what
  /// they wait for.
  static let ownSlots = 24
  static let slotsPerSocket = 256

  init(
    _ sockets: [Descriptor], connectionCount: Int, _ settings: DeviceRelay.Settings,
    _ mailbox: Mailbox,
    _ counters: RelayCounters, _ report: @escaping @Sendable (DeviceRelay.Event) -> Void
  ) throws(SystemError) {
    let slotCount = sockets.count * Self.slotsPerSocket + Self.ownSlots
    let storeByteCount = max(settings.unflushedLimit, DeviceRelay.largestRequest)
    // What can fail comes first: a value that cannot be copied is made as a whole.
    let writes = try Region(byteCount: storeByteCount)
    let reads = try Region(byteCount: DeviceRelay.largestRequest)
    let requestHeaders = try Region(byteCount: slotCount * Self.requestHeaderRoom)
    let answerHeaders = try Region(byteCount: slotCount * Self.answerHeaderRoom)
    let waste = try Region(byteCount: 64 << 10)
    let kernelSockets = try sockets.map { socket throws(SystemError) in try KernelSocket(socket) }
    let lanes = try (0..<connectionCount).map { _ throws(SystemError) in try RelayConnection() }

    self.settings = settings
    self.mailbox = mailbox
    self.counters = counters
    self.report = report
    self.sockets = ContiguousArray(kernelSockets)
    self.lanes = ContiguousArray(lanes)
    slots = Slots(count: slotCount)
    ledger = Ledger(capacity: 16384)
    self.writes = writes
    writePages = Pages(byteCount: storeByteCount)
    self.reads = reads
    readPages = Pages(byteCount: DeviceRelay.largestRequest)
    self.requestHeaders = requestHeaders
    self.answerHeaders = answerHeaders
    self.waste = waste
    closing.reserveCapacity(Self.closingLimit(connectionCount))
    readiness = Readiness(
      capacity: sockets.count + connectionCount + Self.closingLimit(connectionCount) + 1)
    readClocks()
    suspendedBefore = bootNow - now
    // The server has just been negotiated with.
    lastSign = bootNow
  }

  private mutating func readClocks() {
    now = Clocks.monotonic
    bootNow = Clocks.boottime
  }

  static let requestHeaderRoom = 32
  static let answerHeaderRoom = 16

  // MARK: the loop

  /// Works until the kernel has ended the device, or `stop` is asked for.
  mutating func run() {
    while true {
      readClocks()
      checkPatience()
      takeMessages()
      let isOver = isStopped || sockets.allSatisfy { $0.hasEnded }
      if isOver { break }
      expire()
      isStirred = false
      drain()
      advance()
      for lane in lanes.indices { sendRequests(lane) }
      for socket in sockets.indices { sendAnswers(socket) }
      trim()
      publish()
      if hasNewRoom {
        hasNewRoom = false
        for socket in sockets.indices where sockets[socket].isHeld { receiveRequests(socket) }
      } else if !isStirred {
        wait()
      }
    }
    end()
  }

  private mutating func wait() {
    readiness.removeAll()
    let wakeup = readiness.add(mailbox.wakeup.descriptor, reading: true, writing: false)
    for socket in sockets.indices {
      let isOpen = !sockets[socket].hasEnded
      _ = readiness.add(
        sockets[socket].descriptor, reading: isOpen && !sockets[socket].isHeld,
        writing: isOpen && sockets[socket].isBlocked, ending: isOpen)
    }
    for lane in lanes.indices {
      guard let stream = lanes[lane].stream else { continue }
      _ = readiness.add(stream.socket.descriptor, reading: true, writing: lanes[lane].isBlocked)
    }
    for connection in closing {
      _ = readiness.add(connection.stream.socket.descriptor, reading: true, writing: false)
    }
    readiness.wait(timeToWait)

    readClocks()
    if readiness.isReadable(wakeup) { mailbox.wakeup.clear() }
    var index = wakeup + 1
    // Replies first: what they set free the next requests may need.
    index += sockets.count
    for lane in lanes.indices where lanes[lane].stream != nil {
      if readiness.isReadable(index) || lanes[lane].hasMore { receiveReplies(lane) }
      index += 1
    }
    for socket in sockets.indices {
      if !sockets[socket].isHeld {
        if readiness.isReadable(wakeup + 1 + socket) { receiveRequests(socket) }
      } else if readiness.hasEnded(wakeup + 1 + socket) {
        // What is held nobody awaits any more.
        close(socket)
      }
    }
  }

  /// In milliseconds, for ever if there is nothing to wait for but the descriptors.
  private var timeToWait: CInt {
    if lanes.contains(where: \.hasMore) { return 0 }
    var next = min(trimAt, nextEnd() ?? .max)
    if patienceEnd != .max { next = min(next, now + max(0, patienceEnd - bootNow)) }
    for lane in lanes.indices {
      if let end = deadline(of: lane) { next = min(next, end) }
    }
    return next == .max ? -1 : CInt(clamping: max(0, (next - now + 999) / 1000))
  }

  private mutating func takeMessages() {
    while let message = mailbox.take() {
      switch message {
      case .connected(let lane, let handed, let terms): arrive(lane, handed.stream, terms)
      case .reconnect: loseAll()
      case .fail:
        loseAll()
        (isFailing, hasNewRoom) = (true, true)
      case .giveUp: giveUp()
      case .abandon: abandon()
      case .patience(let time, let abandons): change(giveUpAfter: time, abandons: abandons)
      case .stop: isStopped = true
      }
    }
  }

  private mutating func publish() {
    let isFlushOwn = flush != Slot.none && !slots[flush].isFromKernel
    let own = (isFlushOwn ? 1 : 0) + replays.count
    counters.requestsHeld.store(slots.count - slots.free.count - own, ordering: .relaxed)
    counters.unflushedBytes.store(ledger.byteCount, ordering: .relaxed)
  }

  /// Says goodbye where that can be done, and lets the kernel go.
  private mutating func end() {
    for lane in lanes.indices {
      guard let stream = lanes[lane].stream, let terms = lanes[lane].terms else { continue }
      if lanes[lane].leaving.isEmpty, lanes[lane].state != .replaying {
        stream.beginStep()
        try? stream.write(RequestHeader.disconnect(terms.replies))
        stream.close()
      }
      lanes[lane].stream = nil
    }
    // Told first, so that whoever waits for the device to end knows it by then.
    report(.ended(unflushedBytes: ledger.byteCount))
    for socket in sockets { shutDownSocket(socket.descriptor) }
  }
}

/// The slots of the replay that are under way.
struct SlotCounter {
  private(set) var slots: ContiguousArray<Int> = []

  init() { slots.reserveCapacity(Engine.ownSlots) }

  var count: Int { slots.count }

  mutating func insert(_ slot: Int) { slots.append(slot) }
  mutating func remove(_ slot: Int) { slots.removeAll { $0 == slot } }
}
