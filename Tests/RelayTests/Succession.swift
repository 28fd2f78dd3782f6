// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import CLinux
internal import Glibc
internal import Linux
internal import NBD
@testable internal import Relay
internal import Synchronization
internal import TestSupport
internal import Transport

/// A device that outlives its relays: whenever the thread of one ends, another continues from the Record.
final class Succession {
  /// What makes it harder.
  enum Hardship: String, CaseIterable, CustomStringConvertible {
    case none
    /// The sockets do not count what is consumed, so only the notes say it.
    case uncounted
    /// Nothing arrives in one piece, neither requests nor answers.
    case pieces

    var description: String { rawValue }
  }

  /// What threads say about themselves.
  private final class Progress: Sendable {
    let thread = Mutex<pid_t>(0)
    let pointCount = Mutex(0)
    let failures = Mutex<[String]>([])
  }

  let kernel: KernelSide
  private let pair: SocketPair
  private let record: Descriptor
  private let server = VolatileServer()
  private let peer: Peer
  private var settings = DeviceRelay.Settings(
    requestTimeout: .seconds(3600), unflushedLimit: 1 << 20)
  private var relay: DeviceRelay?
  private var former: [Descriptor] = []
  private let progress = Progress()
  /// How many relays there were.
  private(set) var count = 0
  /// Some relay has left data of a write that its successor had to put in place.
  private(set) var hadDataToCopy = false

  /// `plan` says after how many stores and system calls the first relay ends, the second, and so on; the ones
  /// after that do not.
  private var plan: ArraySlice<Int>

  init(
    _ hardship: Hardship, endingAfter plan: [Int],
    ignoring evidence: Set<DeviceRelay.Evidence> = []
  ) throws {
    self.plan = plan[...]
    pair = try SocketPair()
    peer = try Peer()
    settings.quietTime = .milliseconds(1)
    settings.ignoring = evidence
    if hardship == .uncounted { settings.ignoring.insert(.counter) }
    if hardship == .pieces {
      var size: CInt = 4608
      let length = socklen_t(MemoryLayout<CInt>.size)
      for end in [pair.ours, pair.kernel] {
        unsafe setsockopt(end.number, SOL_SOCKET, SO_SNDBUF, &size, length)
      }
    }
    kernel = KernelSide(pair.kernel)
    let new = try Record(named: "test", socketCount: 1, unflushedLimit: settings.unflushedLimit)
    record = new.file.descriptor
    try startRelay()
  }

  /// Continues with another relay if the present one has ended; to be called again and again.
  func attend() throws {
    let thread = progress.thread.withLock { $0 }
    guard thread != 0, tgkill(getpid(), thread, 0) != 0 else { return }
    progress.thread.withLock { $0 = 0 }
    try startRelay()
  }

  func stop() { relay?.stop() }

  /// What relays reported that must not happen.
  var failures: [String] { progress.failures.withLock { $0 } }

  /// How many stores and system calls the last relay has carried out; 0 if it ended at one of the last.
  func finish() throws -> Int {
    stop()
    try eventually("the end of the relay") {
      let thread = progress.thread.withLock { $0 }
      return thread == 0 || tgkill(getpid(), thread, 0) != 0
    }
    return progress.pointCount.withLock { $0 }
  }

  private func startRelay() throws {
    count += 1
    let record = try Record(opening: record)
    hadDataToCopy = try hadDataToCopy || record.hasDataToCopy
    let former = former.enumerated().map { FormerConnection($1, number: $0 + 1) }
    let relay = try DeviceRelay(
      record, [pair], former: former, connectionCount: 1, settings
    ) { [progress] event in
      if case .failed(let error) = event { progress.failures.withLock { $0.append("\(error)") } }
    }
    self.relay = relay
    self.former = []
    let limit = plan.popFirst() ?? 0
    let isReady = try Wakeup()
    try Thread.start("relay") { [progress] in
      progress.thread.withLock { $0 = pid_t(Thread.currentID) }
      isReady.signal()
      crashThread(after: limit)
      relay.run()
      progress.pointCount.withLock { $0 = crashPointCount() }
      // A relay that has ended by itself needs no successor.
      progress.thread.withLock { $0 = 0 }
    }
    _ = try isReady.wait(within: patience)
    let (stream, end) = try peer.stream()
    self.former = [try Descriptor.inherited(stream.socket.descriptor.number)]
    try server.serve(end)
    let export = Export(name: "", sizeBytes: 1 << 30, flags: VolatileServer.flags)
    relay.use(HandedStream(stream), Negotiated(export: export, replies: .simple), as: 0, number: 1)
  }
}

extension Record {
  fileprivate var hasDataToCopy: Bool {
    get throws {
      try (0..<layout.slotCount).contains { index in
        guard let request = try request(in: SlotID(index: index)) else { return false }
        return isOpen(request) && request.answer == nil && !request.isCopied
      }
    }
  }
}
