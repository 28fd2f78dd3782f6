// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import CLinux
internal import Glibc
internal import Linux
internal import Testing
internal import TestSupport

/// What lets another process continue where one has ended.
struct SurvivalTests {
  private let pair: SocketPair
  private let memory: MemoryFile
  private let region: Region
  private var note: TransferNote { TransferNote(in: region, at: 128) }

  init() throws {
    pair = try SocketPair()
    memory = try MemoryFile(named: "test", byteCount: 16 * 4096)
    region = try Region(memory, at: 0, byteCount: 4 * 4096)
  }

  private func send(_ count: Int, from end: Descriptor) throws {
    let bytes = [UInt8](repeating: 7, count: count)
    #expect(unsafe Glibc.send(end.number, bytes, count, 0) == count)
  }

  // MARK: counts

  @Test("the kernel notes how much was received, also for whoever maps the note later")
  func received() throws {
    try send(1000, from: pair.kernel)
    // Nothing has moved.
    #expect(note.count(from: 0) == 0)
    let room = try Region(byteCount: 4096)
    #expect(try pair.ours.receive(into: room, at: 0, 600, noting: note, from: 5000) == 600)
    #expect(note.count(from: 5000) == 600)
    #expect(note.count(from: 5600) == nil)
    let other = try Region(MemoryFile(opening: memory.descriptor), at: 0, byteCount: 4096)
    #expect(TransferNote(in: other, at: 128).count(from: 5000) == 600)
    // Another transfer from the same position, as after an error, is not this one.
    #expect(try pair.ours.receive(into: room, at: 0, 400, noting: note, from: 5600) == 400)
    #expect(try pair.ours.receive(into: room, at: 0, 400, noting: note, from: 6000) == nil)
    #expect(note.count(from: 6000) == nil)
  }

  @Test("the kernel notes how much was sent")
  func sent() throws {
    let gather = Gather(capacity: 2)
    gather.add(region, 4096, 3000)
    gather.add(region, 8192, 100)
    #expect(try gather.send(over: pair.ours, noting: note, from: 1 << 40) == 3100)
    #expect(note.count(from: 1 << 40) == 3100)
  }

  @Test("sockets count what is consumed, whoever consumes it")
  func counters() throws {
    let (ours, kernels) = (
      ConsumptionCounter(of: pair.ours), ConsumptionCounter(of: pair.kernel)
    )
    #expect(ours.consumed == nil)
    #expect(ours.reset() && kernels.reset())
    try send(1000, from: pair.kernel)
    try send(500, from: pair.ours)
    let room = try Region(byteCount: 4096)
    #expect(try pair.ours.receive(into: room, at: 0, 700) == 700)
    #expect(try pair.kernel.receive(into: room, at: 0, 200) == 200)
    #expect(ours.consumed == 700 && ours.unread == 300)
    #expect(kernels.consumed == 200 && kernels.unread == 300)
    ours.reset()
    #expect(ours.consumed == 0)
  }

  @Test("a reset does not hide what came before it")
  func reset() throws {
    var ends: [CInt] = [-1, -1]
    try #require(unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
    let ours = Descriptor(owning: ends[0])
    do {
      let peer = Descriptor(owning: ends[1])
      try send(77, from: peer)
      try send(10, from: ours)
      // It closes with something unread, which is a reset.
    }
    let room = try Region(byteCount: 4096)
    #expect(try ours.receive(into: room, at: 0, 4096, noting: note, from: 0) == 77)
    #expect(note.count(from: 0) == 77)
    #expect(try ours.receive(into: room, at: 0, 4096, noting: note, from: 77) == 0)
  }

  // MARK: memory

  @Test("data is left out of core dumps, and control words are not")
  func dumps() throws {
    let data = try Region(memory, at: 4 * 4096, byteCount: 4096)
    let control = try Region(memory, at: 5 * 4096, byteCount: 4096, isDumped: true)
    #expect(flags(of: data).contains("dd"))
    #expect(!flags(of: control).contains("dd"))
  }

  /// What the kernel knows of the memory, as in /proc/self/smaps.
  private func flags(of region: Region) -> [String] {
    let address = unsafe String(UInt(bitPattern: region.pointer(0, 1)), radix: 16)
    var isWanted = false
    for line in (try? File.bytes(of: "/proc/self/smaps", limit: 1 << 26))
      .map({ String(decoding: $0, as: UTF8.self) })?.split(separator: "\n") ?? []
    {
      if line.hasPrefix("\(address)-") { isWanted = true }
      if isWanted, line.hasPrefix("VmFlags:") {
        return line.split(separator: " ").dropFirst().map(String.init)
      }
    }
    return []
  }

  @Test("a ring is contiguous beyond its end")
  func ring() throws {
    let ring = try Region(ring: memory, at: 8 * 4096, byteCount: 2 * 4096)
    for place in 0..<8 { ring.store(UInt64(place), at: 8192 - 32 + place * 8) }
    #expect((0..<4).map { ring.load($0 * 8) } == [4, 5, 6, 7])
  }

  @Test("memory is taken and given back, and its size is fixed")
  func memoryIsFixed() throws {
    #expect(region.take(0..<16384))
    region.store(9, at: 4096)
    region.giveBack(4096..<8192)
    #expect(region.load(4096) == 0)
    #expect(ftruncate(memory.descriptor.number, 4096) != 0)
    #expect(throws: SystemError.self) {
      try MemoryFile(opening: Descriptor.open("/dev/null", O_RDWR))
    }
  }

  // MARK: one at a time

  @Test("a lock is free once its thread has ended, even without a return")
  func fence() throws {
    let mutex = RobustMutex(in: region, at: 64)
    mutex.initialize()
    let (isHeld, mayEnd) = (try Wakeup(), try Wakeup())
    let region = region
    try Thread.start("holder") {
      _ = RobustMutex(in: region, at: 64).tryLock()
      isHeld.signal()
      _ = try? mayEnd.wait(within: .seconds(60))
      // As in the death of a process: nothing is unlocked.
      crashThread(after: 1)
      crashPoint()
    }
    #expect(try isHeld.wait(within: .seconds(60)))
    #expect(!mutex.tryLock())
    mayEnd.signal()
    let deadline = ContinuousClock.now + .seconds(60)
    while !mutex.tryLock() {
      try #require(ContinuousClock.now < deadline)
      usleep(1000)
    }
    mutex.unlock()
  }
}
