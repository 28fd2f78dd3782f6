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

  private let context: Context
  private let device: BlockDevice
  private let interrupt: Interrupt
  private let changed: (Change) -> Void
  private var timers: [Loop.Timer?]
  private var timerEnds: [Int64]
  private var patience: Loop.Timer?
  private var watch: SocketWatch?
  private var isStopped = false
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
      changed(.other)
      grow()
    case .down(let lane, let end):
      peers[lane] = nil
      handle(lane, .down(Failure(.connection, end.description, isLasting: end.isLasting)))
      if upCount == 0, !isStopped, outages.begin(at: .now), let time = context.settings.giveUpAfter
      {
        patience = Loop.timer(after: time) { self.giveUp() }
      }
      changed(.other)
    case .ended, .failed: stop()
    }
  }

  /// Tries at once what waits; connections that are there are made anew if `all` is set.
  func reconnect(all: Bool) {
    if all { relay.reconnect() }
    for lane in links.indices { handle(lane, .retry) }
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
    for lane in links.indices { handle(lane, .stop) }
  }

  private func handle(_ lane: Int, _ event: Link.Event) {
    for action in links[lane].handle(event, at: .now, random: .random(in: 0..<1)) {
      switch action {
      case .connect(let time): connect(lane, within: time)
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
    let (geometry, relay) = (geometry, relay)
    do throws(SystemError) {
      try Thread.start(context.name) {
        do throws(Failure) {
          let (stream, terms) = try contact.run()
          if let flaw = Sameness.flaw(terms.export, geometry, isFirstLane: lane == 0) {
            throw flaw
          }
          let peer = Peer(
            server: stream.server, encryption: stream.encryption, sizeBytes: terms.export.sizeBytes)
          // Told first, so that it is known when the relay says what became of it.
          DispatchQueue.main.async { self.handed(lane, peer) }
          relay.connected(lane, stream, terms)
        } catch {
          DispatchQueue.main.async { self.failed(lane, error) }
        }
      }
    } catch {
      let failure = Failure(.connect, error.description)
      DispatchQueue.main.async { self.failed(lane, failure) }
    }
  }

  private func handed(_ lane: Int, _ peer: Peer) {
    guard !isStopped else { return }
    peers[lane] = peer
    handle(lane, .handed)
    changed(.other)
  }

  private func failed(_ lane: Int, _ failure: Failure) {
    guard !isStopped else { return }
    handle(lane, .failed(failure))
    guard attempts > attemptsTold else { return changed(.other) }
    attemptsTold = attempts
    changed(.attemptFailed(failure, attempts: attempts))
  }

  /// A server that is back shows in the file system, if its socket is there.
  private func watchSocket() {
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
