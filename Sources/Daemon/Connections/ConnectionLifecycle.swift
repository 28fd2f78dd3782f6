// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// The state machine that makes one connection of a relayed device, and makes it again: events in,
/// actions out.
///
///     idle ── start ──▶ connecting ── handed ──▶ handed ── up ──▶ up
///                        ▲     │ failed             │ down         │ down
///                        │     ▼                    │              │
///                        └── waiting ◀──────────────┴──────────────┘
nonisolated struct ConnectionLifecycle: Sendable {
  enum Phase: Sendable, Equatable { case idle, connecting, handed, up, waiting }

  enum Event: Sendable, Equatable {
    case start
    /// The relay has received a connection.
    case handed
    /// The relay uses it.
    case up
    case down(Failure)
    /// There is no connection.
    case failed(Failure)
    case timer
    /// There is a reason to stop waiting.
    case retry
    /// The configuration was changed: an attempt under way is discarded too.
    case changed
    case stop
  }

  enum Action: Sendable, Equatable {
    /// With this much time for each address.
    case connect(within: Duration)
    case setTimer(Duration)
    case cancelTimer
  }

  private(set) var phase = Phase.idle
  /// Why it was lost, or why there is none.
  private(set) var failure: Failure?
  /// Failed attempts since it was last up.
  private(set) var attempts = 0
  private(set) var nextAttempt: ContinuousClock.Instant?

  /// The longest pause between attempts, and the longest time for an address to accept a connection.
  var reconnectDelay: Duration
  var connectTimeout: Duration
  private var upSince: ContinuousClock.Instant?
  /// Since when it has only been up for moments.
  private var troubleSince: ContinuousClock.Instant?

  /// A connection that has been up for this long was healthy.
  static let health = Duration.seconds(1)

  init(reconnectDelay: Duration, connectTimeout: Duration) {
    self.reconnectDelay = reconnectDelay
    self.connectTimeout = connectTimeout
  }

  /// Takes an event and returns what is to be done; `random` is from 0 up to 1.
  mutating func handle(
    _ event: Event, at now: ContinuousClock.Instant, random: Double
  ) -> [Action] {
    switch phase {
    case .idle: whileIdle(event, now)
    case .connecting: whileConnecting(event, now, random)
    case .handed: whileHanded(event, now, random)
    case .up: whileUp(event, now, random)
    case .waiting: whileWaiting(event, now)
    }
  }

  // MARK: events in each phase

  private mutating func whileIdle(_ event: Event, _ now: ContinuousClock.Instant) -> [Action] {
    switch event {
    case .start: connect(now)
    case .handed: handed()
    case .stop: stop()
    // Whatever was under way when it was stopped still reports.
    case .up, .down, .failed, .timer, .retry, .changed: []
    }
  }

  private mutating func whileConnecting(
    _ event: Event, _ now: ContinuousClock.Instant, _ random: Double
  ) -> [Action] {
    switch event {
    case .handed: return handed()
    case .failed(let failure):
      attempts += 1
      return wait(for: failure, now, random)
    case .changed: return reconnect(now)
    case .stop: return stop()
    case .retry: return []
    // There is neither a timer nor a connection in the relay.
    case .start, .up, .down, .timer: return []
    }
  }

  private mutating func whileHanded(
    _ event: Event, _ now: ContinuousClock.Instant, _ random: Double
  ) -> [Action] {
    switch event {
    case .up:
      phase = .up
      upSince = now
      attempts = 0
      failure = nil
      return []
    case .down(let failure): return lost(failure, now, random)
    case .changed: return forgetTrouble()
    case .stop: return stop()
    case .retry: return []
    // No attempt is under way, and no timer.
    case .start, .handed, .failed, .timer: return []
    }
  }

  private mutating func whileUp(
    _ event: Event, _ now: ContinuousClock.Instant, _ random: Double
  ) -> [Action] {
    switch event {
    case .down(let failure): lost(failure, now, random)
    case .changed: forgetTrouble()
    case .stop: stop()
    case .retry: []
    // No attempt is under way, and no timer.
    case .start, .handed, .up, .failed, .timer: []
    }
  }

  private mutating func whileWaiting(
    _ event: Event, _ now: ContinuousClock.Instant
  ) -> [Action] {
    switch event {
    case .timer: connect(now)
    case .retry, .changed: reconnect(now)
    case .stop: stop()
    // No attempt is under way, and there is no connection in the relay.
    case .start, .handed, .up, .down, .failed: []
    }
  }

  // MARK: transitions

  private mutating func stop() -> [Action] {
    phase = .idle
    nextAttempt = nil
    return [.cancelTimer]
  }

  private mutating func handed() -> [Action] {
    phase = .handed
    return []
  }

  private mutating func reconnect(_ now: ContinuousClock.Instant) -> [Action] {
    // Retry soon: the server may need another moment.
    troubleSince = now
    return [.cancelTimer] + connect(now)
  }

  /// Forgets earlier losses: with other settings, they say nothing about the next attempt.
  private mutating func forgetTrouble() -> [Action] {
    troubleSince = nil
    return []
  }

  private mutating func lost(
    _ failure: Failure, _ now: ContinuousClock.Instant, _ random: Double
  ) -> [Action] {
    if let upSince, upSince.duration(to: now) >= Self.health { troubleSince = nil }
    upSince = nil
    // A repeated loss counts as a failed attempt.
    if troubleSince != nil { attempts += 1 }
    return wait(for: failure, now, random)
  }

  private mutating func connect(_ now: ContinuousClock.Instant) -> [Action] {
    phase = .connecting
    nextAttempt = nil
    // TCP retransmits a lost first packet after a second: early in an outage a new attempt is
    // faster. A slower path gets enough time later in the outage.
    let age = troubleSince.map { $0.duration(to: now) }
    let time = age.map { min(connectTimeout, max(.milliseconds(300), $0 / 4)) }
    return [.connect(within: time ?? connectTimeout)]
  }

  /// The first retry is immediate; then each pause is a fortieth of the outage so far, so that the end of
  /// a short one is noticed soon and a long one costs little.
  ///
  /// It is shortened by up to a random quarter, so that devices that lost the same server do not all
  /// return to it at once.
  private mutating func wait(
    for failure: Failure, _ now: ContinuousClock.Instant, _ random: Double
  ) -> [Action] {
    phase = .waiting
    self.failure = failure
    var pause = Duration.zero
    if failure.isPersistent {
      pause = reconnectDelay
      troubleSince = troubleSince ?? now
    } else if let since = troubleSince {
      pause = min(reconnectDelay, max(.milliseconds(50), since.duration(to: now) / 40))
    } else {
      troubleSince = now
    }
    pause = pause * (1 - random / 4)
    nextAttempt = now + pause
    return [.setTimer(pause)]
  }
}
