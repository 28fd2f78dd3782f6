// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Synchronization
internal import Transport

/// The state of a relay's thread: one loop over the kernel's sockets and the connections.
///
/// What survives the thread is in `record`, and is changed only through it; everything else is worthless after an
/// outage or derived from the Record by `recover`. The rules that the comments name are those of docs/model. Nothing here allocates per request, blocks
/// on anything but the descriptors of the loop, or writes to the log. All times are in microseconds.
struct Engine: ~Copyable {
  /// What happens to requests while no connection is in use.
  enum OutagePolicy: UInt64 {
    /// They wait for a connection.
    case hold = 0
    /// They fail with errors until there is a connection.
    case refuse
    /// They fail with errors, and there will be no further connection.
    case abandon
  }

  var settings: DeviceRelay.Settings
  let counters: RelayCounters
  let clock: RelayClock
  let report: @Sendable (DeviceRelay.Event) -> Void
  let mailbox: Mailbox
  let record: Record

  var sockets: Table<SocketID, KernelSocket>
  var connections: Table<ConnectionID, RelayConnection>
  /// Connections that were given up and are not over yet (rule `drain`).
  var closing: ContiguousArray<ClosingConnection> = []
  var slots: Slots
  /// Requests that wait for a connection, in order.
  var pending = SlotList()
  var ledger: Ledger
  /// Requests of the kernel in progress that will enter the ledger.
  var changesUnderWay = 0
  var flushing = Flushing()
  var replay = Replay()
  var patience = Patience()
  var trimming = Trimming()

  /// The data of writes and the data of reads.
  var writes: Store
  var reads: Store
  /// The headers of requests and of replies, one of each for every slot; replies are made anew from the Record.
  let requestHeaders: Region
  let answerHeaders: Region
  /// Receives data that is discarded.
  let waste: Region
  let gather = Gather(capacity: 64)
  let readiness: Readiness
  var spin: Spin

  /// Counts the transmissions of requests, so that no two have the same cookie.
  var sendings = UInt64.random(in: 0..<(1 << 47))
  var isStopped = false
  /// The relay lets go of the device for a successor, at this time at the latest; nil: it does not.
  var leavingBy: Int64?
  /// How often a request of the relay's own has timed out since the reply to its last flush.
  var silences = 0
  /// The time of this iteration, by the monotonic clock.
  var now: Int64 = 0
  /// The same by the clock that includes suspend.
  var bootNow: Int64 = 0
  /// No failed request is reported before this time.
  var nextFailureReport = Int64.min
  /// Room was released, so held requests may continue.
  var hasNewRoom = false
  /// Something happened that the next iteration must handle before it waits.
  var isStirred = false

  /// Slots reserved for the relay itself, so that the kernel's requests cannot block what they wait for.
  static let ownSlots = 24
  static let slotsPerSocket = 256
  static let requestHeaderRoom = 32
  static let answerHeaderRoom = 16

  init(
    _ record: Record, _ sockets: [SocketPair], connectionCount: Int,
    _ settings: DeviceRelay.Settings, _ mailbox: Mailbox, _ counters: RelayCounters,
    _ clock: RelayClock, _ report: @escaping @Sendable (DeviceRelay.Event) -> Void
  ) throws(SystemError) {
    let slotCount = record.layout.slotCount
    // What can fail comes first: a noncopyable value must be initialized as a whole.
    let requestHeaders = try Region(byteCount: slotCount * Self.requestHeaderRoom)
    let answerHeaders = try Region(byteCount: slotCount * Self.answerHeaderRoom)
    let waste = try Region(byteCount: 64 << 10)
    let connections = try (0..<connectionCount).map { _ throws(SystemError) in
      try RelayConnection()
    }

    self.record = record
    self.settings = settings
    self.mailbox = mailbox
    self.counters = counters
    self.clock = clock
    self.report = report
    self.sockets = Table(sockets.map { KernelSocket($0) })
    self.connections = Table(connections)
    slots = Slots(count: slotCount)
    ledger = Ledger(record)
    writes = Store(record.writes)
    reads = Store(record.reads)
    self.requestHeaders = requestHeaders
    self.answerHeaders = answerHeaders
    self.waste = waste
    spin = Spin(isAllowed: settings.spins, processorCount: Processors.availableCount)
    let closingLimit = Self.closingLimit(connectionCount)
    closing.reserveCapacity(closingLimit)
    readiness = Readiness(capacity: sockets.count + connectionCount + closingLimit + 1)
    readClocks()
  }

  /// Begins after `recover`.
  mutating func begin(after former: [FormerConnection]) {
    readClocks()
    beginPatience()
    beginClosing(former)
    switch outagePolicy {
    case .hold: break
    case .refuse: report(.gaveUp(requests: 0))
    case .abandon: report(.abandoned(unflushedBytes: 0, requests: 0))
    }
    for socket in sockets.indices { receiveRequests(from: socket) }
  }

  private mutating func readClocks() {
    now = clock.monotonic()
    bootNow = clock.boottime()
  }

  // MARK: the loop

  /// Runs until the kernel ends the device or `stop` is requested.
  mutating func run() {
    while true {
      checkPatience()
      takeMessages()
      let isOver = isStopped || sockets.allSatisfy { $0.hasEnded }
      if isOver { break }
      if mayLeave { return leave() }
      expire()
      isStirred = false
      drain()
      advance()
      for connection in connections.indices { sendRequests(over: connection) }
      for socket in sockets.indices { sendAnswers(over: socket) }
      trim()
      publish()
      if hasNewRoom {
        hasNewRoom = false
        readClocks()
        for socket in sockets.indices where sockets[socket].isHeld && leavingBy == nil {
          receiveRequests(from: socket)
        }
      } else if isStirred {
        readClocks()
      } else {
        wait()
      }
    }
    end()
  }

  private mutating func wait() {
    let wakeup = addEntries()
    let time = timeToWait
    if time == 0 || !comesSoon() {
      readiness.wait(time)
      readClocks()
    }
    if readiness.isReadable(wakeup) { mailbox.wakeup.clear() }
    // Replies first: the next requests may need the room that they release. A connection that is lost
    // meanwhile, even through a reply on another one, no longer has an entry.
    for connection in connections.indices {
      guard let entry = connections[connection].entry else { continue }
      if readiness.isReadable(entry) || connections[connection].hasMore {
        receiveReplies(from: connection)
      }
    }
    for socket in sockets.indices {
      guard let entry = sockets[socket].entry else { continue }
      if !sockets[socket].isHeld, leavingBy == nil {
        if readiness.isReadable(entry) { receiveRequests(from: socket) }
      } else if readiness.hasEnded(entry) {
        // The kernel no longer awaits what is held.
        close(socket)
      }
    }
  }

  /// Polls for a moment, if that is likely to save a sleep; returns whether something is ready.
  private mutating func comesSoon() -> Bool {
    // Without a connection, what comes next does not come soon.
    guard connections.contains(where: { $0.state == .up }), spin.isDue() else { return false }
    let end = now + Spin.limit
    var isReady: Bool
    repeat {
      isReady = readiness.poll()
      readClocks()
    } while !isReady && now < end
    spin.ended(withSuccess: isReady)
    return isReady
  }

  /// Collects the descriptors to wait for, and returns the entry of the mailbox.
  private mutating func addEntries() -> Int {
    readiness.removeAll()
    let wakeup = readiness.add(mailbox.wakeup.descriptor, reading: true, writing: false)
    for socket in sockets.indices {
      let isOpen = !sockets[socket].hasEnded
      sockets[socket].entry = readiness.add(
        sockets[socket].descriptor,
        reading: isOpen && !sockets[socket].isHeld && leavingBy == nil,
        writing: isOpen && sockets[socket].isBlocked, ending: isOpen)
    }
    for connection in connections.indices {
      guard let stream = connections[connection].stream else { continue }
      connections[connection].entry = readiness.add(
        stream.socket.descriptor, reading: true, writing: connections[connection].isBlocked)
    }
    for connection in closing {
      _ = readiness.add(connection.socket.descriptor, reading: true, writing: false)
    }
    return wakeup
  }

  /// In milliseconds; -1 if there is nothing to wait for but the descriptors.
  private var timeToWait: CInt {
    if connections.contains(where: \.hasMore) { return 0 }
    var next = min(trimming.at, nextEnd() ?? .max, leavingBy ?? .max)
    if patience.end != .max { next = min(next, now + max(0, patience.end - bootNow)) }
    for connection in connections.indices {
      if let end = deadline(of: connection) { next = min(next, end) }
    }
    return next == .max ? -1 : CInt(clamping: max(0, (next - now + 999) / 1000))
  }

  private mutating func takeMessages() {
    while let message = mailbox.take() {
      switch message {
      case .use(let handed, let terms, let connection, let number):
        use(handed.stream, terms, as: connection, number: number)
      case .reconnect: loseAll()
      case .fail:
        loseAll()
        stopHolding()
      case .giveUp: giveUp()
      case .abandon: abandon()
      case .change(let giveUpAfter, let abandons):
        change(giveUpAfter: giveUpAfter, abandons: abandons)
      case .wake: break
      case .leave: beginLeaving()
      case .stop: isStopped = true
      }
    }
  }

  private mutating func publish() {
    resetCounters()
    let isFlushOwn = flushing.slot.map { !slots[$0].isFromKernel } ?? false
    let own = (isFlushOwn ? 1 : 0) + replay.slots.count
    counters.requestsHeld.store(slots.takenCount - own, ordering: .relaxed)
    counters.unflushedBytes.store(ledger.byteCount, ordering: .relaxed)
  }

  /// Sends a disconnect request where possible, and closes the kernel's sockets.
  private mutating func end() {
    for connection in connections.indices {
      guard let stream = connections[connection].stream else { continue }
      if connections[connection].leaving.isEmpty, connections[connection].state != .replaying {
        stream.beginStep()
        try? stream.write(RequestHeader.disconnect(connections[connection].replies))
        stream.close()
      }
      connections[connection].stream = nil
      release(connections[connection].number)
    }
    for connection in closing { release(connection.number) }
    // Reported first, so that a caller waiting for the device to end knows it by then.
    report(.ended(unflushedBytes: ledger.byteCount))
    for socket in sockets { socket.descriptor.shutDown() }
  }
}
