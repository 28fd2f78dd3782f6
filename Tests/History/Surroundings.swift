// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import NBD
internal import Relay
internal import Synchronization
internal import TestSupport
internal import Transport

/// Makes connections, whose server's end the test plays.
final class Doorway {
  private let directory: TemporaryDirectory
  private let listener: Descriptor
  private let transport: URI.Transport

  init() throws(SystemError) {
    directory = try TemporaryDirectory()
    let path = "\(directory.path)/socket"
    listener = try ControlSocket.listen(at: path, group: nil)
    transport = .unix(path: Array(path.utf8))
  }

  /// Both ends of a connection.
  func connect() throws -> (ServerStream, Descriptor) {
    let pace = Pace(connectTime: .seconds(20), stepTime: .seconds(20))
    let stream = try ServerStream.connect(to: transport, pace)
    while true {
      if let accepted = try ControlSocket.accept(on: listener) { return (stream, accepted) }
      doze()
    }
  }
}

/// What the relay reports, and the thread it runs on.
final class RelayThread: Sendable {
  let wakeup: Wakeup
  private let events = Mutex<[DeviceRelay.Event]>([])
  private let id = Atomic(0)
  private let hasEnded = Atomic(false)

  init() throws(SystemError) {
    wakeup = try Wakeup()
  }

  func report(_ event: DeviceRelay.Event) {
    events.withLock { $0.append(event) }
    wakeup.signal()
  }

  func takeEvents() -> [DeviceRelay.Event] {
    events.withLock { list in
      defer { list.removeAll(keepingCapacity: true) }
      return list
    }
  }

  /// Starts the relay, and answers where the state of its thread can be read.
  func start(_ relay: DeviceRelay) throws(SystemError) -> Descriptor {
    try Thread.start("relay") { [self] in
      id.store(Thread.currentID, ordering: .releasing)
      relay.run()
      hasEnded.store(true, ordering: .releasing)
    }
    while id.load(ordering: .acquiring) == 0 { doze() }
    return try Descriptor.open(
      "/proc/self/task/\(id.load(ordering: .acquiring))/stat", O_RDONLY)
  }

  /// Waits until the thread sleeps: then it has dealt with all it was sent, and only time or something new
  /// wakes it.
  func awaitRest(_ state: Descriptor) throws(Violation) {
    var limit = TimeLimit(30_000_000)
    while !isAsleep(state) {
      guard !limit.isOver() else { throw Violation("the relay does not rest") }
      doze()
    }
  }

  private func isAsleep(_ state: Descriptor) -> Bool {
    // "ID (NAME) STATE …"
    let text = unsafe withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { room in
      let count = unsafe pread(state.number, room.baseAddress, room.count, 0)
      guard count > 0, let name = unsafe room.prefix(count).lastIndex(of: UInt8(ascii: ")")),
        name + 2 < count
      else { return UInt8(ascii: "S") }
      return unsafe room[name + 2]
    }
    return text == UInt8(ascii: "S")
  }

  /// Waits until the thread has ended.
  func awaitEnd() throws(Violation) {
    var limit = TimeLimit(30_000_000)
    while !hasEnded.load(ordering: .acquiring) {
      guard !limit.isOver() else { throw Violation("the relay does not end") }
      doze()
    }
  }
}

/// A time that ends, in microseconds, without that in which the whole process was stopped.
struct TimeLimit {
  private var left: Int64
  private var last = Clocks.monotonic

  init(_ time: Int64) { left = time }

  /// Called often.
  mutating func isOver() -> Bool {
    let now = Clocks.monotonic
    left -= min(now - last, 200_000)
    last = now
    return left < 0
  }
}

extension Descriptor {
  /// Sends all; there is room for it.
  func sendAll(_ bytes: [UInt8]) {
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { bytes in
        unsafe send(
          number, bytes.baseAddress.map { unsafe $0 + sent }, bytes.count - sent,
          CInt(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      sent += count
    }
  }
}

/// Leaves the processor to others for a moment.
///
/// Sleeping is kinder to a busy machine than sched_yield(2), which gives up the whole time slice.
private func doze() {
  var time = timespec(tv_sec: 0, tv_nsec: 5000)
  unsafe nanosleep(&time, nil)
}

/// Stays on one processor, with all threads that are started from here on: the relay runs when this one waits.
func stayOnProcessor(_ number: Int) {
  // What is asked for is not rounded up to 50 microseconds.
  if let slack = try? Descriptor.open("/proc/thread-self/timerslack_ns", O_WRONLY) {
    slack.print("1")
  }
  var processors = cpu_set_t()
  unsafe withUnsafeMutableBytes(of: &processors) { unsafe $0[number / 8] = 1 << (number % 8) }
  unsafe sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &processors)
}
