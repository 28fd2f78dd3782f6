// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Dispatch
internal import Linux
internal import NBD
internal import Relay
internal import Transport

/// The connections of a relayed device: performs the actions of their lifecycles, and keeps track
/// of outages.
final class ConnectionSet {
  let relay: DeviceRelay
  /// The geometry that the kernel has; the number of blocks grows with the export.
  private(set) var geometry: DeviceGeometry
  private(set) var lifecycles: [ConnectionLifecycle]
  /// Where each connection leads, and how it is encrypted, if there is one.
  private(set) var peers: [Peer?]
  private(set) var outages = Outages()
  /// The duration of the last outage, if there was one.
  private(set) var lastOutage: Duration?
  /// The present outage is a restart of nbdd.
  private(set) var isRestart = false
  /// And so was the last one.
  private(set) var lastWasRestart = false
  /// How long the last restart of nbdd was an outage, if there was one.
  private(set) var lastRestart: Duration?
  /// Waiting requests fail until the server is back.
  private(set) var isGivenUp = false
  /// The export has been given up for good: nbdd does not connect again.
  private(set) var isAbandoned = false

  /// The server that was reached last, and the export as it described it.
  private(set) var server: String
  private(set) var export: Export

  private var configuration: DeviceConfiguration
  private let device: any KernelDevice
  /// Of the attempts under way: results of attempts with an earlier interrupt are discarded.
  private var interrupt: Wakeup
  private let changed: (Change) -> Void
  private var timers: [Loop.Timer?]
  private var timerEnds: [Int64]
  private var growth = Growth()
  private var growthTimer: Loop.Timer?
  private var watch: SocketWatch?
  private var isStopped = false
  /// Connections to make once there is one: in an outage only the first one is tried.
  private var waitingForFirst: Set<Int> = []
  /// The next connection will lead to another server than the existing ones.
  private var isMoving = false
  /// Failed attempts of any connection that have been reported: several fail for the same reason.
  private var attemptsTold = 0

  struct Peer: Sendable {
    var address: Address
    var encryption: String?
    var sizeBytes: UInt64

    var server: String { address.description }
  }

  /// The last error that the server returned for a request, as far as these are reported.
  private(set) var lastError: String?

  enum Change {
    case requestFailed(String)
    case attemptFailed(Failure, attempts: Int)
    case gaveUp(requests: Int)
    case abandoned(unflushedBytes: Int, requests: Int)
    /// A lost connection had this many writes that the server may not have finished.
    case unconfirmed(changes: Int)
    case grown(UInt64)
    case growthFailed(String, retryingIn: Duration)
    case other
  }

  /// Keeps connections beyond the end of nbdd, so that the next one can wait until the server is done with them.
  struct Keeping {
    let keep: (Int, Descriptor) -> Void
    let release: (Int) -> Void
  }

  private let keeping: Keeping?
  /// The number of the next connection that is kept.
  private var nextNumber: Int
  /// Why nbdd does not connect to the server, until a user wants it to.
  private var poison: Failure?

  /// Starts with the connection that the relay already has; without one, if the attachment has no address.
  init(
    _ configuration: DeviceConfiguration, _ attachment: AttachThread.Attachment,
    _ relay: DeviceRelay, _ keeping: Keeping?, firstNumber: Int, poison: Failure?,
    _ changed: @escaping (Change) -> Void
  ) throws(SystemError) {
    (self.keeping, nextNumber, self.poison) = (keeping, firstNumber, poison)
    self.configuration = configuration
    self.relay = relay
    self.changed = changed
    geometry = attachment.geometry
    (server, export) = (attachment.server ?? "\(configuration.uri)", attachment.export)
    device = attachment.device
    interrupt = try Wakeup()
    let settings = configuration.settings
    let count = attachment.connectionCount
    lifecycles = Array(
      repeating: ConnectionLifecycle(
        reconnectDelay: settings.reconnectDelay, connectTimeout: settings.connectTimeout),
      count: count)
    peers = Array(repeating: nil, count: count)
    timers = Array(repeating: nil, count: count)
    timerEnds = Array(repeating: 0, count: count)
    guard let address = attachment.address else {
      beginAdopted()
      return
    }
    peers[0] = Peer(
      address: address, encryption: attachment.encryption,
      sizeBytes: attachment.export.sizeBytes)
    handle(0, .handed)
    for index in lifecycles.indices.dropFirst() { handle(index, .start) }
    watchSocket()
  }

  /// Continues as in an outage.
  private func beginAdopted() {
    _ = outages.begin(at: .now)
    isRestart = true
    guard poison == nil else { return }
    for index in lifecycles.indices { handle(index, .start) }
    watchSocket()
  }

  /// How large the device is; before it has grown, at least as large as the export was.
  var sizeBytes: UInt64? {
    lifecycles.indices.compactMap { peers[$0]?.sizeBytes }.min()
  }
  /// No connection carries requests.
  var isCut: Bool { outages.since != nil }
  var upCount: Int { lifecycles.count { $0.phase == .up } }
  /// Why there is no connection: a persistent error of any connection takes precedence.
  var failure: Failure? {
    if isAbandoned { return Self.abandonment }
    if let poison { return poison }
    let failures = lifecycles.compactMap(\.failure)
    return failures.first { $0.isPersistent } ?? failures.first
  }
  var attempts: Int { lifecycles.map(\.attempts).max() ?? 0 }
  /// When the next attempt is due: in microseconds since 1970, and on the clock of pauses.
  var nextAttempt: (realtime: Int64, instant: ContinuousClock.Instant)? {
    lifecycles.indices.compactMap { index in
      lifecycles[index].nextAttempt.map { (timerEnds[index], $0) }
    }
    .min { $0.1 < $1.1 }
  }

  // MARK: events

  func take(_ event: DeviceRelay.Event) {
    switch event {
    case .up(let index):
      handle(index, .up)
      attemptsTold = attempts
      isGivenUp = false
      if let length = outages.end(at: .now) {
        if isRestart { lastRestart = length }
        lastWasRestart = isRestart
        (lastOutage, isRestart) = (length, false)
      }
      for other in waitingForFirst { connect(other, within: configuration.settings.connectTimeout) }
      waitingForFirst = []
      changed(.other)
      grow()
    case .down(let index, let end):
      peers[index] = nil
      if isMoving { move() }
      handle(index, .down(Failure(.connection, end.description, isPersistent: end.isPersistent)))
      if upCount == 0, !isStopped { _ = outages.begin(at: .now) }
      changed(.other)
    case .unconfirmed(_, let count): changed(.unconfirmed(changes: count))
    case .requestFailed(let command, let error, let text):
      let message =
        "the server returned \(error.name) for a \(command.name)"
        + (text.map { "; it said: \"\($0)\"" } ?? "")
      lastError = message
      changed(.requestFailed(message))
    case .gaveUp(let count):
      isGivenUp = isCut
      changed(.gaveUp(requests: count))
    case .abandoned(let bytes, let count):
      (isAbandoned, isGivenUp) = (true, true)
      _ = outages.begin(at: .now)
      stop()
      changed(.abandoned(unflushedBytes: bytes, requests: count))
    case .released(let number): keeping?.release(number)
    case .ended, .failed, .left: stop()
    }
  }

  /// Ends waits for the next attempt; replaces existing connections too if `all` is set.
  func reconnect(all: Bool) {
    if all {
      if poison != nil { relay.record.forgetFaults() }
      poison = nil
      relay.reconnect()
      for index in lifecycles.indices { handle(index, .start) }
    }
    for index in lifecycles.indices { handle(index, .retry) }
  }

  /// Applies another configuration to the connections to come, and restarts waits and attempts under way.
  ///
  /// Existing connections stay, unless some are missing and the export has moved.
  func change(to configuration: DeviceConfiguration) throws(SystemError) {
    guard !isStopped else { return }
    let interrupt = try Wakeup()
    self.interrupt.signal()
    self.interrupt = interrupt
    let (old, new) = (self.configuration.uri, configuration.uri)
    self.configuration = configuration
    if old.transport != new.transport || old.exportName != new.exportName {
      isMoving = !isCut && lifecycles.allSatisfy { $0.phase == .up || $0.phase == .handed }
      if !isMoving { move() }
    }
    watchSocket()
    let settings = configuration.settings
    relay.change(giveUpAfter: settings.giveUpAfter, abandons: settings.afterGiveUp == .abandon)
    for index in lifecycles.indices {
      lifecycles[index].reconnectDelay = configuration.settings.reconnectDelay
      lifecycles[index].connectTimeout = configuration.settings.connectTimeout
      handle(index, .changed)
    }
  }

  /// Replaces all connections: what is flushed at one server is not flushed at the other.
  private func move() {
    isMoving = false
    relay.reconnect()
    // New connections need not lead to where these did.
    for index in peers.indices { peers[index] = nil }
  }

  static let abandonment = Failure(
    .connection,
    "the export was given up for good, and writes that were not flushed were dropped; "
      + "detach the device and check the export before you attach it again", isPersistent: true)

  /// Ends all attempts.
  func stop() {
    isStopped = true
    interrupt.signal()
    watch = nil
    growthTimer = nil
    waitingForFirst = []
    for index in lifecycles.indices { handle(index, .stop) }
  }

  private func handle(_ index: Int, _ event: ConnectionLifecycle.Event) {
    for action in lifecycles[index].handle(event, at: .now, random: .random(in: 0..<1)) {
      switch action {
      case .connect(let time):
        // The first one must replay anyway, and is up sooner if the server is not busy with other
        // handshakes.
        if index == 0 || !isCut {
          connect(index, within: time)
        } else {
          waitingForFirst.insert(index)
        }
      case .setTimer(let pause):
        timers[index] = Loop.timer(after: pause) {
          self.handle(index, .timer)
          self.changed(.other)
        }
        timerEnds[index] = Clocks.realtime + pause.milliseconds * 1000
      case .cancelTimer: timers[index] = nil
      }
    }
  }

  // MARK: attempts

  /// Starts an attempt; a name may have several addresses, each with its own server: all
  /// connections must go to the same one.
  private func connect(_ index: Int, within time: Duration) {
    let contact = ServerDialer(
      configuration, address: addressInUse, connectTime: time, interrupt: interrupt)
    let (geometry, interrupt, record) = (geometry, interrupt, relay.record)
    do throws(SystemError) {
      try Thread.start(configuration.name) {
        record.beginNotingFaults()
        defer { FaultNote.end() }
        do throws(Failure) {
          let (stream, terms) = try contact.run()
          if let flaw = ExportCheck.flaw(terms.export, geometry, isFirst: index == 0) {
            throw flaw
          }
          let peer = Peer(
            address: stream.address, encryption: stream.encryption,
            sizeBytes: terms.export.sizeBytes)
          let (handed, descriptor) = (HandedStream(stream), stream.socket.descriptor)
          DispatchQueue.main.async {
            guard !self.isStopped, interrupt === self.interrupt else { return }
            if let other = self.addressInUse, other != peer.address {
              return self.failed(index, Self.apart(peer.address, other), interrupt)
            }
            var number = 0
            if let keeping = self.keeping {
              number = self.nextNumber
              self.nextNumber += 1
              keeping.keep(number, descriptor)
            }
            self.relay.use(handed, terms, as: index, number: number)
            self.handed(index, peer, terms.export)
          }
        } catch {
          DispatchQueue.main.async { self.failed(index, error, interrupt) }
        }
      }
    } catch {
      let failure = Failure(.connect, error.description)
      DispatchQueue.main.async { self.failed(index, failure, interrupt) }
    }
  }

  private var addressInUse: Address? { peers.lazy.compactMap(\.?.address).first }

  private static func apart(_ address: Address, _ other: Address) -> Failure {
    Failure(
      .connect,
      "\(address) is not the address of the other connections, \(other); waiting until they end")
  }

  private func handed(_ index: Int, _ peer: Peer, _ export: Export) {
    peers[index] = peer
    (server, self.export) = (peer.server, export)
    handle(index, .handed)
    changed(.other)
  }

  private func failed(_ index: Int, _ failure: Failure, _ interrupt: Wakeup) {
    guard !isStopped, interrupt === self.interrupt else { return }
    handle(index, .failed(failure))
    guard attempts > attemptsTold else { return changed(.other) }
    attemptsTold = attempts
    changed(.attemptFailed(failure, attempts: attempts))
  }

  /// Watches the server's UNIX socket, which appears in the file system when the server is back.
  private func watchSocket() {
    watch = nil
    guard case .unix(let path) = configuration.uri.transport else { return }
    watch = SocketWatch(path) { self.reconnect(all: false) }
  }

  // MARK: size

  /// Grows the device to the size that the export has on every connection, once I/O flows.
  private func grow() {
    let sizes = lifecycles.indices.compactMap {
      lifecycles[$0].phase == .up ? peers[$0]?.sizeBytes : nil
    }
    guard !isStopped, let size = sizes.min(),
      let count = growth.begin(
        from: geometry.blockCount, to: size / UInt64(geometry.blockSize))
    else { return }
    let (device, name) = (device, configuration.name)
    do throws(SystemError) {
      try Thread.start(name) {
        let task = HelperTask.grow(index: device.index, toBlocks: count)
        do throws(Failure) {
          _ = try Helper.run(task, name, node: device.node)
          DispatchQueue.main.async { self.grew(toBlocks: count, size) }
        } catch {
          DispatchQueue.main.async { self.growthFailed(error.message) }
        }
      }
    } catch {
      growthFailed(error.description)
    }
  }

  private func grew(toBlocks count: UInt64, _ size: UInt64) {
    geometry.blockCount = count
    growth.succeeded()
    changed(.grown(size))
    // It may have grown again meanwhile.
    grow()
  }

  private func growthFailed(_ error: String) {
    let pause = growth.failed()
    growthTimer = Loop.timer(after: pause) { self.grow() }
    changed(.growthFailed(error, retryingIn: pause))
  }
}
