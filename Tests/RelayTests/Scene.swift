// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import NBD
internal import Relay
internal import Synchronization
internal import TLS
internal import Transport

/// A relay on its thread, between the kernel that the test plays and servers.
final class Scene {
  let relay: DeviceRelay
  let kernels: [KernelSide]
  let events = Events()
  let clock = TestClock()
  private let end: Wakeup

  var kernel: KernelSide { kernels[0] }

  /// Of what the kernel does not read, the sockets take `answerRoom` bytes, or as much as they can.
  init(
    connections: Int = 1, sockets: Int = 1, answerRoom: CInt? = nil,
    _ change: (inout DeviceRelay.Settings) -> Void = { _ in }
  ) throws {
    var pairs: [SocketPair] = []
    for _ in 0..<sockets { pairs.append(try SocketPair()) }
    if var answerRoom {
      let size = socklen_t(MemoryLayout<CInt>.size)
      for pair in pairs {
        unsafe setsockopt(pair.ours.number, SOL_SOCKET, SO_SNDBUF, &answerRoom, size)
      }
    }
    kernels = pairs.map { KernelSide($0.kernel) }
    // No machine is so slow that it takes a server longer.
    var settings = DeviceRelay.Settings(requestTimeout: .seconds(3600), unflushedLimit: 64 << 20)
    change(&settings)
    let record = try Record(
      named: "test", socketCount: sockets, unflushedLimit: settings.unflushedLimit)
    relay = try DeviceRelay(
      record, pairs, connectionCount: connections, settings, clock: clock.relayClock
    ) { [events] in events.add($0) }
    end = try Wakeup()
    try Thread.start("relay") { [relay, end] in
      relay.run()
      end.signal()
    }
  }

  deinit {
    relay.stop()
    _ = try? end.wait(within: patience)
  }

  var unflushedBytes: Int { relay.counters.unflushedBytes.load(ordering: .relaxed) }
  var heldCount: Int { relay.counters.requestsHeld.load(ordering: .relaxed) }
  var answeredCount: Int { relay.counters.requestsAnswered.load(ordering: .relaxed) }

  /// Whether the relay's thread ends.
  func hasEnded(within time: Duration = patience) throws -> Bool { try end.wait(within: time) }

  // MARK: time

  /// Puts the clock forward, once the relay has dealt with all that has come until now, and returns when it
  /// has dealt with the new time as well.
  func advance(by time: Duration) throws {
    try settle()
    clock.advance(by: time)
    try settle()
  }

  /// The machine sleeps.
  func suspend(for time: Duration) throws {
    try settle()
    clock.suspend(for: time)
    try settle()
  }

  /// Waits until the relay has dealt with all that has come until now.
  func settle() throws {
    // A turn looks at the clock once or twice. The first may not have seen what came last, the next
    // receives it, and one more has dealt with it.
    let end = clock.readCount + 8
    try eventually("some turns of the relay") {
      relay.wake()
      return clock.readCount >= end
    }
  }

  // MARK: connections

  /// Negotiates with a server, and lets the relay use the stream as a connection.
  func connect(
    _ connection: Int = 0, to server: Server, _ replies: ReplyStyle = .structured
  ) throws {
    let (stream, terms) = try server.connect(replies)
    relay.use(HandedStream(stream), terms, as: connection)
  }

  /// Connects, and waits until the connection carries requests.
  func bringUp(
    _ connection: Int = 0, to server: Server, _ replies: ReplyStyle = .structured
  ) throws {
    try connect(connection, to: server, replies)
    try events.wait(for: .up(connection: connection))
  }

  // MARK: requests, and their only answers

  func perform(
    _ command: NBD.Command, _ offset: UInt64 = 0, _ length: Int = 0, _ flags: CommandFlags = [],
    data: [UInt8] = []
  ) throws -> UInt32 {
    let cookie = try kernel.submit(command, offset, length, flags, data: data)
    guard let answer = try kernel.answer(cookie) else { throw Wrong("no answer") }
    return answer.error
  }

  func write(_ offset: UInt64, _ data: [UInt8], _ flags: CommandFlags = []) throws {
    let error = try perform(.write, offset, 0, flags, data: data)
    if error != 0 { throw Wrong("error \(error) for a write") }
  }

  func read(_ offset: UInt64, _ length: Int) throws -> [UInt8] {
    guard let answer = try kernel.answer(kernel.read(offset, length)) else {
      throw Wrong("no answer")
    }
    if answer.error != 0 { throw Wrong("error \(answer.error) for a read") }
    return answer.data
  }

  func flush() throws {
    let error = try perform(.flush)
    if error != 0 { throw Wrong("error \(error) for a flush") }
  }
}

/// What a relay has reported and the test has not looked at.
final class Events: Sendable {
  private let list = Mutex<[DeviceRelay.Event]>([])
  private let reporter = Atomic(0)

  func add(_ event: DeviceRelay.Event) {
    reporter.store(Thread.currentID, ordering: .relaxed)
    list.withLock { $0.append(event) }
  }

  /// The kernel's id of the relay's thread, once it has reported something.
  var thread: Int { reporter.load(ordering: .relaxed) }

  /// All so far.
  var all: [DeviceRelay.Event] { list.withLock { $0 } }

  /// Waits for an event, and drops it and what came before it.
  @discardableResult
  func wait(
    within time: Duration = patience, _ isWanted: (DeviceRelay.Event) -> Bool
  ) throws -> DeviceRelay.Event {
    let deadline = ContinuousClock.now + time
    while true {
      let found = list.withLock { list -> DeviceRelay.Event? in
        guard let index = list.firstIndex(where: isWanted) else { return nil }
        defer { list.removeFirst(index + 1) }
        return list[index]
      }
      if let found { return found }
      guard ContinuousClock.now < deadline else { throw Wrong("waited in vain; there are \(all)") }
      usleep(500)
    }
  }

  func wait(for event: DeviceRelay.Event) throws { try wait { $0 == event } }

  /// Waits until a connection is down, and returns why.
  @discardableResult
  func awaitDown(_ connection: Int = 0) throws -> ConnectionEnd {
    let event = try wait { if case .down(connection, _) = $0 { true } else { false } }
    guard case .down(_, let end) = event else { throw Wrong("another event") }
    return end
  }
}

/// Waits until something holds.
func eventually(_ what: String, _ holds: () throws -> Bool) throws {
  let deadline = ContinuousClock.now + patience
  while try !holds() {
    guard ContinuousClock.now < deadline else { throw Wrong("waited for \(what)") }
    usleep(1000)
  }
}
