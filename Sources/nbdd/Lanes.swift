// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Connection
internal import Dispatch
internal import Kernel
internal import NBD
internal import Relay

/// The connections of a relayed device: performs what their links say, and keeps account of outages.
final class Lanes {
  let relay: Relay
  /// What the kernel was told; the number of blocks grows with the export.
  private(set) var geometry: BlockDevice.Geometry
  private(set) var links: [Link]
  /// What each connection reaches, and how it is encrypted, if there is one.
  private(set) var peers: [Peer?]
  private(set) var outages = Outages()
  /// How long the last outage was, if there was one.
  private(set) var lastOutage: Duration?
  /// Held requests are being answered with errors.
  private(set) var isGivenUp = false

  /// Who was reached last, and what they said of the export.
  private(set) var server: String
  private(set) var export: Export

  private var context: Context
  private let device: BlockDevice
  /// Of the attempts under way: what comes of those that had another is not wanted any more.
  private var interrupt: Interrupt
  private let changed: (Change) -> Void
  private var timers: [Loop.Timer?]
  private var timerEnds: [Int64]
  private var patience: Loop.Timer?
  private var watch: SocketWatch?
  private var isStopped = false
  /// Lanes that will connect when there is a connection: in an outage one asks for all.
  private var waitingForFirst: Set<Int> = []
  /// The next connection will be to another place than those that are there.
  private var isMoving = false
  /// Failed attempts of any lane that have been told: several fail alike.
  private var attemptsTold = 0

  struct Peer: Sendable {
    var server: String
    var encryption: String?
    var sizeBytes: UInt64
  }

  enum Change {
    case attemptFailed(Failure, attempts: Int)
    case gaveUp
    case grown(UInt64)
    case other
  }

  /// Begins with the connection that the first lane has been given.
  init(
    _ context: Context, _ serving: Attempt.Serving, _ relay: Relay,
    _ changed: @escaping (Change) -> Void
  )
    throws(SystemError)
  {
    self.context = context
    self.relay = relay
    self.changed = changed
    geometry = serving.geometry
    (server, export) = (serving.server, serving.export)
    device = serving.device
    interrupt = try Interrupt()
    let settings = context.settings
    let count = serving.laneCount
    links = Array(
      repeating: Link(
        reconnectDelay: settings.reconnectDelay, connectTimeout: settings.connectTimeout),
      count: count)
    peers = Array(repeating: nil, count: count)
    timers = Array(repeating: nil, count: count)
    timerEnds = Array(repeating: 0, count: count)
    peers[0] = Peer(
      server: serving.server, encryption: serving.encryption, sizeBytes: serving.export.sizeBytes)
    handle(0, .handed)
    for lane in links.indices.dropFirst() { handle(lane, .start) }
    watchSocket()
  }

  /// How large the device is; before it has grown, at least as large as the export was.
  var sizeBytes: UInt64? {
    links.indices.compactMap { peers[$0]?.sizeBytes }.min()
  }
  /// No connection carries requests.
  var isCut: Bool { outages.since != nil }
  var upCount: Int { links.count { $0.phase == .up } }
  /// Why there is no connection: of all lanes, what will hardly come right counts most.
  var failure: Failure? {
    let failures = links.compactMap(\.failure)
    return failures.first { $0.isLasting } ?? failures.first
  }
  var attempts: Int { links.map(\.attempts).max() ?? 0 }
  /// When the next attempt is due: in microseconds since 1970, and on the clock of pauses.
  var nextAttempt: (realtime: Int64, instant: ContinuousClock.Instant)? {
    links.indices.compactMap { lane in links[lane].nextAttempt.map { (timerEnds[lane], $0) } }
      .min { $0.1 < $1.1 }
  }

  // MARK: events

  func take(_ event: Relay.Event) {
    switch event {
    case .up(let lane):
      handle(lane, .up)
      attemptsTold = attempts
      isGivenUp = false
      patience = nil
      if let length = outages.end(at: .now) { lastOutage = length }
      for other in waitingForFirst { connect(other, within: context.settings.connectTimeout) }
      waitingForFirst = []
      changed(.other)
      grow()
    case .down(let lane, let end):
      peers[lane] = nil
      handle(lane, .down(Failure(.connection, end.description, isLasting: end.isLasting)))
      if isMoving {
        // What is flushed in one place is not in the other.
        isMoving = false
        relay.reconnect()
      }
      if upCount == 0, !isStopped, outages.begin(at: .now) { setPatience() }
      changed(.other)
    case .ended, .failed: stop()
    }
  }

  /// Tries at once what waits; connections that are there are made anew if `all` is set.
  func reconnect(all: Bool) {
    if all { relay.reconnect() }
    for lane in links.indices { handle(lane, .retry) }
  }

  /// Takes other settings for the connections to come, and tries at once what waits or is under way.
  ///
  /// Connections that are there stay, unless only some of them are and the export is elsewhere now.
  func change(to context: Context) throws(SystemError) {
    guard !isStopped else { return }
    let interrupt = try Interrupt()
    self.interrupt.raise()
    self.interrupt = interrupt
    let (old, new) = (self.context.uri, context.uri)
    self.context = context
    if old.transport != new.transport || old.exportName != new.exportName {
      isMoving = !isCut && links.allSatisfy { $0.phase == .up || $0.phase == .handed }
      if !isMoving { relay.reconnect() }
    }
    watchSocket()
    setPatience()
    for lane in links.indices {
      links[lane].reconnectDelay = context.settings.reconnectDelay
      links[lane].connectTimeout = context.settings.connectTimeout
      handle(lane, .changed)
    }
  }

  private func setPatience() {
    patience = nil
    guard !isGivenUp, let since = outages.since, let time = context.settings.giveUpAfter else {
      return
    }
    patience = Loop.timer(after: max(.zero, time - since.duration(to: .now))) { self.giveUp() }
  }

  /// Answers what is held with errors, until there is a connection again.
  func giveUp() {
    guard isCut else { return }
    isGivenUp = true
    relay.giveUp()
    changed(.gaveUp)
  }

  /// Ends all attempts.
  func stop() {
    isStopped = true
    interrupt.raise()
    watch = nil
    patience = nil
    waitingForFirst = []
    for lane in links.indices { handle(lane, .stop) }
  }

  private func handle(_ lane: Int, _ event: Link.Event) {
    for action in links[lane].handle(event, at: .now, random: .random(in: 0..<1)) {
      switch action {
      case .connect(let time):
        // The first has to carry the ledger anyway, and is there sooner if it does not share the server
        // with the handshakes of others.
        if lane == 0 || !isCut {
          connect(lane, within: time)
        } else {
          waitingForFirst.insert(lane)
        }
      case .setTimer(let pause):
        timers[lane] = Loop.timer(after: pause) {
          self.handle(lane, .timer)
          self.changed(.other)
        }
        timerEnds[lane] = Clocks.realtime + pause.milliseconds * 1000
      case .cancelTimer: timers[lane] = nil
      }
    }
  }

  // MARK: attempts

  private func connect(_ lane: Int, within time: Duration) {
    let contact = Contact(context, connectTime: time, interrupt: interrupt)
    let (geometry, interrupt) = (geometry, interrupt)
    do throws(SystemError) {
      try Thread.start(context.name) {
        do throws(Failure) {
          let (stream, terms) = try contact.run()
          if let flaw = Sameness.flaw(terms.export, geometry, isFirstLane: lane == 0) {
            throw flaw
          }
          let peer = Peer(
            server: stream.server, encryption: stream.encryption, sizeBytes: terms.export.sizeBytes)
          // This thread does not touch it again.
          nonisolated(unsafe) let handed = stream
          DispatchQueue.main.async {
            guard !self.isStopped, interrupt === self.interrupt else { return }
            self.relay.connected(lane, unsafe handed, terms)
            self.handed(lane, peer, terms.export)
          }
        } catch {
          DispatchQueue.main.async { self.failed(lane, error, interrupt) }
        }
      }
    } catch {
      let failure = Failure(.connect, error.description)
      DispatchQueue.main.async { self.failed(lane, failure, interrupt) }
    }
  }

  private func handed(_ lane: Int, _ peer: Peer, _ export: Export) {
    peers[lane] = peer
    (server, self.export) = (peer.server, export)
    handle(lane, .handed)
    changed(.other)
  }

  private func failed(_ lane: Int, _ failure: Failure, _ interrupt: Interrupt) {
    guard !isStopped, interrupt === self.interrupt else { return }
    handle(lane, .failed(failure))
    guard attempts > attemptsTold else { return changed(.other) }
    attemptsTold = attempts
    changed(.attemptFailed(failure, attempts: attempts))
  }

  /// A server that is back shows in the file system, if its socket is there.
  private func watchSocket() {
    watch = nil
    guard case .unix(let path) = context.uri.transport else { return }
    watch = SocketWatch(path) { self.reconnect(all: false) }
  }

  // MARK: size

  /// Makes the device as large as the export is on every connection, once I/O flows.
  private func grow() {
    let sizes = links.indices.compactMap { links[$0].phase == .up ? peers[$0]?.sizeBytes : nil }
    guard let size = sizes.min() else { return }
    let count = size / UInt64(geometry.blockSize)
    guard count > geometry.blockCount else { return }
    geometry.blockCount = count
    let device = device
    // Without a thread it is done at the next connection.
    try? Thread.start(context.name) {
      do throws(SystemError) {
        try device.grow(toBlocks: count)
        DispatchQueue.main.async { self.changed(.grown(size)) }
      } catch {}
    }
  }
}
