// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import NBD
@testable internal import Relay
internal import Synchronization
internal import Testing
internal import TestSupport
internal import Transport

/// Relays that leave a device to a successor, and what a successor does not accept.
struct SuccessorTests {
  private let peer: Peer
  private let pair: SocketPair
  private let record: Record
  private let kernel: KernelSide

  init() throws {
    peer = try Peer()
    pair = try SocketPair()
    record = try Record(named: "test", socketCount: 1, unflushedLimit: 1 << 20)
    kernel = KernelSide(pair.kernel)
  }

  /// Starts a relay.
  private func relay(
    _ record: Record? = nil, former: [FormerConnection] = [], without rules: Set<Rule> = [],
    clock: RelayClock = .system
  ) throws -> (DeviceRelay, Events) {
    let events = Events()
    var settings = DeviceRelay.Settings(requestTimeout: .seconds(3600), unflushedLimit: 1 << 20)
    settings.without = rules
    settings.spins = false
    let relay = try DeviceRelay(
      record ?? Record(opening: self.record.file.descriptor), [pair], former: former,
      connectionCount: 1, settings, clock: clock
    ) { events.add($0) }
    try Thread.start("relay") { relay.run() }
    return (relay, events)
  }

  /// Gives a relay a connection; returns the server's end, and another descriptor of the relay's.
  private func connect(
    _ relay: DeviceRelay, number: Int
  ) throws -> (PeerConnection, Descriptor) {
    let (stream, end) = try peer.stream()
    let copy = try Descriptor.inherited(stream.socket.descriptor.number)
    let export = Export(name: "", sizeBytes: 1 << 40, flags: Peer.usual.union(.hasFlags))
    relay.use(
      HandedStream(stream), Negotiated(export: export, replies: .simple), as: 0, number: number)
    return (PeerConnection(end, .simple), copy)
  }

  @Test("lets go after it has flushed and taken its leave of the server")
  func leave() throws {
    let (first, events) = try relay()
    let (server, _) = try connect(first, number: 1)
    let write = try kernel.write(0, .pattern(1, 4096))
    server.reply(try server.next(.write))
    #expect(try kernel.answer(write)?.error == 0)
    first.leave()
    server.reply(try server.next(.flush))
    _ = try server.next(.disconnect)
    try events.wait(for: .released(number: 1))
    try events.wait(for: .left)
    // What comes now is for the next one.
    let read = try kernel.read(0, 512)
    let (second, _) = try relay()
    defer { second.stop() }
    let (next, _) = try connect(second, number: 2)
    next.reply(try next.next(.read), .pattern(2, 512))
    #expect(try kernel.answer(read)?.data == .pattern(2, 512))
    #expect(second.record.successions == 1)
  }

  @Test("lets go as soon as the kernel has the last answer, whatever time may be left")
  func leaveAtOnce() throws {
    let clock = SetBackClock()
    let (first, events) = try relay(clock: clock.relayClock)
    let (server, _) = try connect(first, number: 1)
    let read = try kernel.read(0, 512)
    let request = try server.next(.read)
    first.leave()
    // The second that it may take becomes an hour once it has begun.
    clock.setBackWhenIdle()
    server.reply(request, .pattern(1, 512))
    #expect(try kernel.answer(read)?.data == .pattern(1, 512))
    try events.wait(for: .left)
  }

  /// A relay ends with a write at a slow server; returns whether its successor sends the write again while the server
  /// may still execute the first one.
  private func isSentTooEarly(without rules: Set<Rule>) throws -> Bool {
    let (first, events) = try relay()
    let (server, copy) = try connect(first, number: 1)
    let write = try kernel.write(0, .pattern(1, 4096))
    let request = try server.next(.write)
    first.leave()
    try events.wait(for: .left)
    let (second, _) = try relay(former: [FormerConnection(copy, number: 1)], without: rules)
    defer { second.stop() }
    let (next, _) = try connect(second, number: 2)
    let isEarly = !next.isSilent(for: 300)
    server.reply(request)
    server.close()
    next.reply(try next.next(.write))
    #expect(try kernel.answer(write)?.error == 0)
    return isEarly
  }

  @Test("waits until the server is done with what its predecessor had sent")
  func drain() throws { #expect(try !isSentTooEarly(without: [])) }

  @Test("would send it again at once if it did not wait")
  func withoutDrain() throws { #expect(try isSentTooEarly(without: [.drain])) }

  @Test("does not start beside a relay that runs")
  func fence() throws {
    let (first, _) = try relay()
    defer { first.stop() }
    let (server, _) = try connect(first, number: 1)
    let (_, events) = try relay()
    try events.wait(for: .failed(.inUse))
    // The first one does not notice.
    let read = try kernel.read(0, 512)
    server.reply(try server.next(.read), .pattern(1, 512))
    #expect(try kernel.answer(read)?.error == 0)
  }

  @Test("does not begin with what it does not know, and changes nothing in it")
  func unknown() throws {
    record.control.store(2, at: RecordLayout.Header.version)
    #expect(throws: Record.Flaw.unknownVersion(2)) {
      try Record(opening: record.file.descriptor)
    }
    record.control.store(1, at: RecordLayout.Header.version)
    record.control.store(900, at: RecordLayout.Header.socketCount)
    #expect(throws: Record.Flaw.contradiction("its sizes")) {
      try Record(opening: record.file.descriptor)
    }
    record.control.store(0, at: RecordLayout.Header.magic)
    #expect(throws: Record.Flaw.notARecord) { try Record(opening: record.file.descriptor) }
    #expect(throws: (any Error).self) {
      try Record(opening: Descriptor.open("/dev/null", O_RDWR))
    }
  }

  @Test("fails one device, and only that, if its Record contradicts itself")
  func flawed() throws {
    // Requests under way, answered ones, and a ledger.
    let (first, events) = try relay()
    let (server, _) = try connect(first, number: 1)
    for name in 0..<4 {
      let write = try kernel.write(UInt64(name) << 16, .pattern(name, 4096))
      server.reply(try server.next(.write))
      #expect(try kernel.answer(write)?.error == 0)
    }
    for name in 0..<4 {
      _ = try kernel.write(UInt64(name) << 20, .pattern(name, 8192))
      _ = try server.next(.write)
    }
    _ = try kernel.read(0, 4096)
    first.leave()
    try events.wait(for: .left)

    var random = SplitMix(seed: 11)
    let control = record.layout.controlEnd
    var (refused, continued) = (0, 0)
    for _ in 0..<600 {
      let copy = try Record(named: "copy", socketCount: 1, unflushedLimit: 1 << 20)
      _ = copy.makeLedgerRoom(for: 16)
      let ledger = copy.layout.entry(0)
      for range in [0..<control, ledger..<ledger + 16 * RecordLayout.Entry.byteCount] {
        for place in stride(from: range.lowerBound, to: range.upperBound, by: 8)
        where !(64..<128).contains(place) {
          copy.control.store(record.control.load(place), at: place)
        }
      }
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = flawPlace(in: copy.layout, &random)
        let bit = UInt64(1) << UInt64.random(in: 0..<64, using: &random)
        let old = copy.control.load(place)
        copy.control.store(
          Bool.random(using: &random) ? old ^ bit : .random(in: 0...old | 7, using: &random),
          at: place)
      }
      switch outcome(of: copy) {
      case nil: continued += 1
      case .record: refused += 1
      case .some(let error): Issue.record("\(error)")
      }
    }
    #expect(refused > 50 && continued > 50)
  }

  /// A word that is in use, but not the mutex.
  private func flawPlace(in layout: RecordLayout, _ random: inout SplitMix) -> Int {
    let word = Int.random(in: 0..<12, using: &random) * 8
    return switch Int.random(in: 0..<4, using: &random) {
    case 0: [128, 136, 144, 152, 160][Int.random(in: 0..<5, using: &random)]
    case 1: layout.socket(SocketID(index: 0)) + word % 40
    case 2: layout.slot(SlotID(index: Int.random(in: 0..<6, using: &random))) + word
    default: layout.entry(Int.random(in: 0..<5, using: &random)) + word % 40
    }
  }

  /// Lets a relay begin with a Record and end at once; returns why it did not begin.
  private func outcome(of record: Record) -> RelayError? {
    let events = Events()
    let settings = DeviceRelay.Settings(requestTimeout: .seconds(1), unflushedLimit: 1 << 20)
    guard let pair = try? SocketPair(),
      let relay = try? DeviceRelay(
        record, [pair], connectionCount: 1, settings, report: { events.add($0) })
    else { return .inUse }
    relay.stop()
    relay.run()
    return events.all.compactMap {
      if case .failed(let error) = $0 { error } else { nil }
    }.first
  }
}

/// A clock that stands still, and is set back by an hour when the relay has not looked at it for a while.
private final class SetBackClock: Sendable {
  private let time = Atomic(Int64(1) << 40)
  private let readCount = Atomic(0)

  var relayClock: RelayClock { RelayClock(monotonic: { self.read() }, boottime: { self.read() }) }

  private func read() -> Int64 {
    let time = time.load(ordering: .acquiring)
    readCount.add(1, ordering: .acquiringAndReleasing)
    return time
  }

  func setBackWhenIdle() {
    var last = -1
    while true {
      let count = readCount.load(ordering: .acquiring)
      if count == last { break }
      last = count
      usleep(200_000)
    }
    time.subtract(3600 * 1_000_000, ordering: .releasing)
  }
}
