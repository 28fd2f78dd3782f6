// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The life of a device as a value: events in, actions out.
///
/// The phases, and what each waits for:
///
///     detached ── attach ──▶ connecting ── serving ──▶ settling ── settled ──▶ mounting
///         ▲                   │      ▲                    │                       │ mounted
///         │             ended │      │ timer              │ ended                 ▼
///         │                   ▼      │                    ▼          ended     attached
///         │                   waiting ◀── released ── releasing ◀───────────────  │
///         │                                               │ held: again later     │ detach
///         │                                               ▼                       ▼
///         └─────────── released ── (releasing, leaving) ◀── disconnecting ◀── quiescing ◀── unmounting
///
/// A refused detach leads back to attached. Helpers that were started report in every case, so
/// at any time at most one of unmount, mount, settle, quiesce, release is under way.
nonisolated struct Lifecycle: Sendable {
  private(set) var phase = Phase.detached
  /// Why it is not attached, or what is amiss although it is.
  private(set) var failure: Failure?
  /// Why the declared mount is not there.
  private(set) var mountFailure: Failure?
  private(set) var holders: [String] = []
  /// Failed attempts since it was last attached.
  private(set) var attempts = 0
  private(set) var outages = 0
  /// The end of the running timer, for those that end a pause.
  private(set) var nextAttempt: ContinuousClock.Instant?

  /// The longest pause between attempts.
  var reconnectDelay: Duration
  private var backoff = Backoff()
  /// Paces the looks at a device that others hold.
  private var patience = Backoff()
  /// Since when it is attached; a refused detach does not change that.
  private(set) var attachedAt: ContinuousClock.Instant?
  /// Who keeps the declared mount from going, after the connection was lost.
  private var mountUsers: [String] = []
  /// A detach that waits for a helper to report.
  private var pendingDetach: Bool?
  /// The thread has ended while a detach was under way.
  private var hasEnded = false

  init(reconnectDelay: Duration) {
    self.reconnectDelay = reconnectDelay
  }

  var state: State {
    switch phase {
    case .detached: .detached
    // Through an outage and its attempts the state stays what it is.
    case .connecting:
      failure.map { $0.isPersistent ? .failed : .reconnecting } ?? .connecting
    case .settling, .mounting: pendingDetach == nil ? .attaching : .detaching
    case .attached: .attached
    case .cancelling, .unmounting, .quiescing, .disconnecting(_, leaving: true): .detaching
    case .disconnecting(_, leaving: false): .reconnecting
    case .releasing(let leaving): leaving || pendingDetach != nil ? .detaching : .reconnecting
    case .held: .reconnecting
    case .waiting: failure?.isPersistent == true ? .failed : .reconnecting
    }
  }

  /// A detach is bringing the last writes to the server.
  var isWritingBack: Bool {
    switch phase {
    case .unmounting, .quiescing: true
    default: false
    }
  }

  /// How long a server may take to close the connection after it was told goodbye, and each
  /// harder means after that.
  static let grace = Duration.seconds(5)
  /// Attached for so long, a device counts as healthy: the next outage starts afresh.
  static let health = Duration.seconds(60)

  /// Takes an event and answers what is to be done.
  ///
  /// `random` is from 0 up to 1.
  mutating func handle(
    _ event: Event, at now: ContinuousClock.Instant, random: Double
  ) -> [Action] {
    switch (phase, event) {
    case (.detached, .attach): return connect()
    case (.waiting, .attach), (.waiting, .timer): return [.cancelTimer] + connect()
    case (.held, .attach), (.held, .timer): return [.cancelTimer] + release(leaving: false)
    case (.attached, .attach): return mountFailure == nil ? [] : mount()

    case (.connecting, .serving):
      phase = .settling
      return [.settle]
    case (.connecting, .taken): return connect()
    case (.connecting, .ended(let failure)):
      attempts += 1
      // Told last: who hears of it may detach at once, and no timer may be set after that.
      return wait(for: failure, now, random) + [.attemptFailed(failure)]
    case (.connecting, .detach):
      phase = .cancelling
      return [.interrupt]
    case (.cancelling, .ended), (.cancelling, .taken): return detached()
    case (.cancelling, .serving): return disconnect(leaving: true)

    case (.settling, .settled(let failure)): return settled(failure)
    case (.mounting, .mounted(let failure)): return mounted(failure, now)
    case (.settling, .detach(let force)), (.mounting, .detach(let force)):
      pendingDetach = force || pendingDetach == true
      return force && !hasEnded ? [.shutDown] : []
    case (.settling, .ended(let failure)), (.mounting, .ended(let failure)):
      // The helper still runs; it will report soon, now that the device answers with errors.
      hasEnded = true
      self.failure = failure
      return []

    case (.attached, .ended(let failure)): return lost(failure, now)
    case (.attached, .detach(let force)): return unmount(force: force)
    case (.waiting, .detach): return [.cancelTimer] + detached()
    case (.held, .detach(let force)):
      pendingDetach = force
      return [.cancelTimer] + release(leaving: false)
    case (.releasing(leaving: false), .detach(let force)):
      pendingDetach = force || pendingDetach == true
      return []
    case (.unmounting(_, let lazily), .detach(force: true)):
      phase = .unmounting(force: true, lazily: lazily)
      return []
    case (.quiescing(force: false), .detach(force: true)):
      phase = .quiescing(force: true)
      return hasEnded ? [] : [.shutDown]
    case (.disconnecting(step: 3, _), .detach):
      // Every means has been tried.
      phase = .disconnecting(step: 3, leaving: true)
      return [.refused(Self.notLetGo)]
    case (.disconnecting(step: 0, _), .detach(force: true)):
      return escalate(from: 0, leaving: true)
    case (.disconnecting(let step, leaving: false), .detach):
      phase = .disconnecting(step: step, leaving: true)
      return []

    case (.unmounting(let force, let lazily), .unmounted(let failure)):
      return unmounted(failure, force: force, lazily: lazily, now)
    case (.quiescing, .quiesced(let failure)): return quiesced(failure, now)
    case (.quiescing(force: true), .timer): return hasEnded ? [] : [.shutDown]
    case (.unmounting, .ended(let failure)), (.quiescing, .ended(let failure)):
      hasEnded = true
      self.failure = failure
      return []
    case (.disconnecting(_, let leaving), .ended):
      return [.cancelTimer] + release(leaving: leaving)
    case (.disconnecting(let step, let leaving), .timer):
      return escalate(from: step, leaving: leaving)

    case (.releasing(leaving: false), .unmounted(let failure)):
      mountUsers = failure?.holders ?? []
      return [.release(patiently: holders.isEmpty)]
    case (.releasing(let leaving), .released(let holders)):
      return released(holders, leaving: leaving, now, random)

    default: return []
    }
  }

  // MARK: attaching

  private mutating func connect() -> [Action] {
    phase = .connecting
    nextAttempt = nil
    hasEnded = false
    pendingDetach = nil
    holders = []
    return [.connect]
  }

  private mutating func wait(
    for failure: Failure, _ now: ContinuousClock.Instant, _ random: Double
  ) -> [Action] {
    phase = .waiting
    self.failure = failure
    let pause =
      failure.isPersistent
      ? backoff.slowest(limit: reconnectDelay, random: random)
      : backoff.next(limit: reconnectDelay, random: random)
    return setPause(pause, now)
  }

  private mutating func setPause(_ pause: Duration, _ now: ContinuousClock.Instant) -> [Action] {
    nextAttempt = now + pause
    return [.setTimer(pause)]
  }

  private mutating func settled(_ failure: Failure?) -> [Action] {
    if hasEnded { return neverAttached() }
    if let failure {
      // The driver has the connection but the device is of no use: give it back.
      attempts += 1
      self.failure = failure
      return [.attemptFailed(failure)] + disconnect(leaving: pendingDetach != nil)
    }
    if let force = pendingDetach { return unmount(force: force) }
    return mount()
  }

  private mutating func mount() -> [Action] {
    phase = .mounting
    return [.mount]
  }

  /// The connection was lost before the device was usable.
  private mutating func neverAttached() -> [Action] {
    attempts += 1
    let failure = self.failure ?? Self.connectionLost
    return [.attemptFailed(failure)] + release(leaving: false)
  }

  private mutating func mounted(
    _ failure: Failure?, _ now: ContinuousClock.Instant
  ) -> [Action] {
    mountFailure = failure
    if hasEnded {
      return attachedAt == nil ? neverAttached() : lost(self.failure ?? Self.connectionLost, now)
    }
    phase = .attached
    attempts = 0
    self.failure = nil
    holders = []
    if attachedAt == nil { attachedAt = now }
    guard let force = pendingDetach else { return [] }
    return unmount(force: force)
  }

  // MARK: losing the connection

  private mutating func lost(_ failure: Failure, _ now: ContinuousClock.Instant) -> [Action] {
    outages += 1
    attempts = 0
    self.failure = failure
    if let since = attachedAt, since.duration(to: now) >= Self.health { backoff.reset() }
    attachedAt = nil
    patience.reset()
    return release(leaving: false)
  }

  /// Lets the kernel forget the device: after a lost connection the declared mount has to go
  /// first; `leaving`, that is in a detach, it has gone already.
  private mutating func release(leaving: Bool) -> [Action] {
    phase = .releasing(leaving: leaving)
    nextAttempt = nil
    hasEnded = false
    return leaving
      ? [.release(patiently: true)] : [.unmount(lazily: pendingDetach == true)]
  }

  private mutating func released(
    _ holders: [String], leaving: Bool, _ now: ContinuousClock.Instant, _ random: Double
  ) -> [Action] {
    self.holders = holders.isEmpty ? [] : mountUsers + holders
    mountUsers = []
    let detach = pendingDetach
    pendingDetach = nil
    if leaving || detach == true || (detach != nil && holders.isEmpty) { return detached() }
    guard !holders.isEmpty else {
      return wait(for: failure ?? Self.connectionLost, now, random)
    }
    phase = .held
    let refusal = detach == nil ? [] : [Action.refused(heldFailure)]
    return refusal + setPause(patience.next(limit: reconnectDelay, random: random), now)
  }

  private static let connectionLost = Failure(.connection, "connection lost")

  private var heldFailure: Failure {
    Failure(
      .detach, "still in use: \(holders.joined(separator: ", "))", holders: holders)
  }

  // MARK: detaching

  private mutating func detached() -> [Action] {
    phase = .detached
    failure = nil
    mountFailure = nil
    holders = []
    nextAttempt = nil
    attachedAt = nil
    attempts = 0
    pendingDetach = nil
    hasEnded = false
    backoff.reset()
    return []
  }

  private mutating func unmount(force: Bool) -> [Action] {
    pendingDetach = nil
    phase = .unmounting(force: force, lazily: false)
    return [.unmount(lazily: false)]
  }

  private mutating func unmounted(
    _ failure: Failure?, force: Bool, lazily: Bool, _ now: ContinuousClock.Instant
  ) -> [Action] {
    if hasEnded, failure == nil || lazily { return release(leaving: true) }
    if failure == nil || lazily {
      phase = .quiescing(force: force)
      // A server that does not answer must not hold a forced detach.
      return [.quiesce(force: force)] + (force ? [.setTimer(Self.grace)] : [])
    }
    if force {
      phase = .unmounting(force: true, lazily: true)
      return [.unmount(lazily: true)]
    }
    return refuse(failure, now)
  }

  private mutating func quiesced(
    _ failure: Failure?, _ now: ContinuousClock.Instant
  ) -> [Action] {
    if case .quiescing(force: true) = phase {
      return [.cancelTimer] + (hasEnded ? release(leaving: true) : disconnect(leaving: true))
    }
    guard failure != nil else {
      return hasEnded ? release(leaving: true) : disconnect(leaving: true)
    }
    return refuse(failure, now)
  }

  private mutating func refuse(
    _ failure: Failure?, _ now: ContinuousClock.Instant
  ) -> [Action] {
    let refusal = [Action.refused(failure ?? Failure(.detach, "in use"))]
    if hasEnded {
      return refusal + lost(self.failure ?? Self.connectionLost, now)
    }
    // Whatever was unmounted on the way is mounted again.
    return refusal + mount()
  }

  private mutating func disconnect(leaving: Bool) -> [Action] {
    phase = .disconnecting(step: 0, leaving: leaving)
    return [.disconnect, .setTimer(Self.grace)]
  }

  private static let notLetGo = Failure(.detach, "the kernel does not let go of the device")

  private mutating func escalate(from step: Int, leaving: Bool) -> [Action] {
    phase = .disconnecting(step: step + 1, leaving: leaving)
    switch step {
    case 0: return [.shutDown, .setTimer(Self.grace)]
    case 1: return [.clear, .setTimer(Self.grace)]
    default:
      failure = Self.notLetGo
      return [.refused(Self.notLetGo)]
    }
  }
}
