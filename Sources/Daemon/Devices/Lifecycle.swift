// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI

/// The state machine of a device: events in, actions out.
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
/// A device that an earlier nbdd has left goes from detached to mounting, or to settling, when it is adopted.
/// A refused detach leads back to attached. Helpers that were started report in every case, so
/// at any time at most one of unmount, mount, settle, quiesce, release is under way.
nonisolated struct Lifecycle: Sendable {
  private(set) var phase = Phase.detached
  /// Why it is not attached, or what is wrong although it is.
  private(set) var failure: Failure?
  /// Why the declared mount is missing.
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
  /// The pauses between checks of a device that is held by others.
  private var patience = Backoff()
  /// Since when it is attached; a refused detach does not change that.
  private(set) var attachedAt: ContinuousClock.Instant?
  /// What keeps the declared mount busy after the connection was lost.
  private var mountUsers: [String] = []
  /// The declared mount has gone although nbdd has not unmounted it; to be set before `attach`.
  var isMountMissing = false
  /// A forced detach found the declared mount in use, and leaves it until the device is dead.
  ///
  /// What is written to it until then must not go to the directory underneath.
  private var isMountLeft = false
  /// A detach that waits for a helper to report.
  private var pendingDetach = PendingDetach.none
  /// The last event that came although it should be impossible: a bug in the program.
  private(set) var surprise: Event?

  init(reconnectDelay: Duration) {
    self.reconnectDelay = reconnectDelay
  }

  var state: State {
    switch phase {
    case .detached: .detached
    // The state does not change during an outage and its attempts.
    case .connecting:
      failure.map { $0.isPersistent ? .failed : .reconnecting } ?? .connecting
    case .settling, .mounting: pendingDetach == .none ? .attaching : .detaching
    case .attached: .attached
    case .cancelling, .unmounting, .quiescing, .disconnecting(_, leaving: true): .detaching
    case .disconnecting(_, leaving: false): .reconnecting
    case .releasing(let leaving): leaving || pendingDetach != .none ? .detaching : .reconnecting
    case .held: .reconnecting
    case .waiting: failure?.isPersistent == true ? .failed : .reconnecting
    }
  }

  /// A detach has begun that is refused if the device is in use.
  var mayRefuse: Bool {
    if case .unmounting(force: false, hasEnded: false) = phase { true } else { false }
  }

  /// A detach is sending the last writes to the server.
  var isWritingBack: Bool {
    switch phase {
    case .unmounting, .quiescing: true
    default: false
    }
  }

  /// How long a server may take to close the connection after a goodbye, and how long each stronger
  /// means may take after that.
  static let grace = Duration.seconds(5)
  /// A device that was attached for this long counts as healthy: the next outage starts afresh.
  static let health = Duration.seconds(60)

  /// Takes an event and returns what is to be done.
  ///
  /// `random` is from 0 up to 1.
  mutating func handle(
    _ event: Event, at now: ContinuousClock.Instant, random: Double
  ) -> [Action] {
    switch phase {
    case .detached: whileDetached(event)
    case .connecting: whileConnecting(event, now, random)
    case .cancelling: whileCancelling(event)
    case .settling(let hasEnded): whileSettling(event, hasEnded: hasEnded)
    case .mounting(let hasEnded): whileMounting(event, hasEnded: hasEnded, now)
    case .attached: whileAttached(event, now)
    case .unmounting(let force, let hasEnded):
      whileUnmounting(event, force: force, hasEnded: hasEnded, now)
    case .quiescing(let force, let hasEnded):
      whileQuiescing(event, force: force, hasEnded: hasEnded, now)
    case .disconnecting(let means, let leaving):
      whileDisconnecting(event, by: means, leaving: leaving)
    case .releasing(let leaving): whileReleasing(event, leaving: leaving, now, random)
    case .held: whileHeld(event)
    case .waiting: whileWaiting(event)
    }
  }

  // MARK: events in each phase

  private mutating func whileDetached(_ event: Event) -> [Action] {
    switch event {
    case .attach: return connect()
    case .adopted(isSettled: true): return mount()
    case .adopted(isSettled: false):
      phase = .settling()
      return [.settle]
    case .detach: return []
    case .serving, .settled, .mounted, .ended, .inUse, .unmounted, .quiesced, .released, .timer:
      return impossible(event)
    }
  }

  private mutating func whileConnecting(
    _ event: Event, _ now: ContinuousClock.Instant, _ random: Double
  ) -> [Action] {
    switch event {
    case .attach: return []
    case .detach:
      phase = .cancelling
      return [.interrupt]
    case .serving:
      phase = .settling()
      return [.settle]
    case .inUse: return connect()
    case .ended(let failure):
      attempts += 1
      // Reported last: an observer may detach at once, and no timer may be set after that.
      return wait(for: failure, now, random) + [.attemptFailed(failure)]
    case .adopted, .settled, .mounted, .unmounted, .quiesced, .released, .timer:
      return impossible(event)
    }
  }

  private mutating func whileCancelling(_ event: Event) -> [Action] {
    switch event {
    case .attach, .detach: []
    case .serving: disconnect(leaving: true)
    case .ended, .inUse: detached()
    case .adopted, .settled, .mounted, .unmounted, .quiesced, .released, .timer: impossible(event)
    }
  }

  private mutating func whileSettling(_ event: Event, hasEnded: Bool) -> [Action] {
    switch event {
    case .attach: return []
    case .detach(let force): return detachAfterHelper(force: force, hasEnded: hasEnded)
    case .settled(let failure): return settled(failure, hasEnded: hasEnded)
    case .ended(let failure):
      // The helper still runs; it will report soon, now that the device returns errors.
      self.failure = failure
      phase = .settling(hasEnded: true)
      return []
    case .adopted, .serving, .mounted, .inUse, .unmounted, .quiesced, .released, .timer:
      return impossible(event)
    }
  }

  private mutating func whileMounting(
    _ event: Event, hasEnded: Bool, _ now: ContinuousClock.Instant
  ) -> [Action] {
    switch event {
    case .attach: return []
    case .detach(let force): return detachAfterHelper(force: force, hasEnded: hasEnded)
    case .mounted(let failure): return mounted(failure, hasEnded: hasEnded, now)
    case .ended(let failure):
      self.failure = failure
      phase = .mounting(hasEnded: true)
      return []
    case .adopted, .serving, .settled, .inUse, .unmounted, .quiesced, .released, .timer:
      return impossible(event)
    }
  }

  private mutating func detachAfterHelper(force: Bool, hasEnded: Bool) -> [Action] {
    pendingDetach.add(force: force)
    return force && !hasEnded ? [.shutDown] : []
  }

  private mutating func whileAttached(
    _ event: Event, _ now: ContinuousClock.Instant
  ) -> [Action] {
    switch event {
    case .attach: mountFailure == nil && !isMountMissing ? [] : mount()
    case .detach(let force): unmount(force: force)
    case .ended(let failure): lost(failure, now)
    case .adopted, .serving, .settled, .mounted, .inUse, .unmounted, .quiesced, .released, .timer:
      impossible(event)
    }
  }

  private mutating func whileUnmounting(
    _ event: Event, force: Bool, hasEnded: Bool, _ now: ContinuousClock.Instant
  ) -> [Action] {
    switch event {
    case .attach, .detach(force: false): return []
    case .detach(force: true):
      phase = .unmounting(force: true, hasEnded: hasEnded)
      return []
    case .unmounted(let failure):
      return unmounted(failure, force: force, hasEnded: hasEnded, now)
    case .ended(let failure):
      self.failure = failure
      phase = .unmounting(force: force, hasEnded: true)
      return []
    case .adopted, .serving, .settled, .mounted, .inUse, .quiesced, .released, .timer:
      return impossible(event)
    }
  }

  private mutating func whileQuiescing(
    _ event: Event, force: Bool, hasEnded: Bool, _ now: ContinuousClock.Instant
  ) -> [Action] {
    switch event {
    case .attach, .detach(force: false): return []
    case .detach(force: true):
      phase = .quiescing(force: true, hasEnded: hasEnded)
      return force || hasEnded ? [] : [.shutDown]
    case .quiesced(let failure):
      return quiesced(failure, force: force, hasEnded: hasEnded, now)
    case .timer where force: return hasEnded ? [] : [.shutDown]
    case .ended(let failure):
      self.failure = failure
      phase = .quiescing(force: force, hasEnded: true)
      return []
    case .adopted, .serving, .settled, .mounted, .inUse, .unmounted, .released, .timer:
      return impossible(event)
    }
  }

  private mutating func whileDisconnecting(
    _ event: Event, by means: Means, leaving: Bool
  ) -> [Action] {
    switch event {
    case .attach: return []
    case .detach(let force):
      switch means {
      case .goodbye where force: return escalate(from: means, leaving: true)
      case .goodbye, .shutDown, .clear:
        phase = .disconnecting(by: means, leaving: true)
        return []
      case .exhausted:
        phase = .disconnecting(by: means, leaving: true)
        return [.refused(Self.notLetGo)]
      }
    case .ended: return [.cancelTimer] + release(leaving: leaving)
    case .timer: return escalate(from: means, leaving: leaving)
    case .adopted, .serving, .settled, .mounted, .inUse, .unmounted, .quiesced, .released:
      return impossible(event)
    }
  }

  private mutating func whileReleasing(
    _ event: Event, leaving: Bool, _ now: ContinuousClock.Instant, _ random: Double
  ) -> [Action] {
    switch event {
    case .attach: return []
    case .detach(let force):
      if !leaving { pendingDetach.add(force: force) }
      return []
    case .unmounted where leaving && isMountLeft:
      isMountLeft = false
      return [.release(patiently: true)]
    case .unmounted(let failure) where !leaving:
      mountUsers = failure?.holders ?? []
      return [.release(patiently: holders.isEmpty)]
    case .released(let holders): return released(holders, leaving: leaving, now, random)
    case .adopted, .serving, .settled, .mounted, .ended, .inUse, .unmounted, .quiesced, .timer:
      return impossible(event)
    }
  }

  private mutating func whileHeld(_ event: Event) -> [Action] {
    switch event {
    case .attach, .timer: return [.cancelTimer] + release(leaving: false)
    case .detach(let force):
      pendingDetach = force ? .byForce : .gently
      return [.cancelTimer] + release(leaving: false)
    case .adopted, .serving, .settled, .mounted, .ended, .inUse, .unmounted, .quiesced, .released:
      return impossible(event)
    }
  }

  private mutating func whileWaiting(_ event: Event) -> [Action] {
    switch event {
    case .attach, .timer: [.cancelTimer] + connect()
    case .detach: [.cancelTimer] + detached()
    case .adopted, .serving, .settled, .mounted, .ended, .inUse, .unmounted, .quiesced, .released:
      impossible(event)
    }
  }

  /// Ignores an event that cannot come in the phase: nothing that reports it is under way.
  private mutating func impossible(_ event: Event) -> [Action] {
    surprise = event
    return []
  }

  // MARK: attaching

  private mutating func connect() -> [Action] {
    phase = .connecting
    nextAttempt = nil
    pendingDetach = .none
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

  private mutating func settled(_ failure: Failure?, hasEnded: Bool) -> [Action] {
    if hasEnded { return neverAttached() }
    if let failure {
      // The driver has the connection but the device is unusable: give it back.
      attempts += 1
      self.failure = failure
      return [.attemptFailed(failure)] + disconnect(leaving: pendingDetach != .none)
    }
    return detachIfPending() ?? mount()
  }

  private mutating func mount() -> [Action] {
    phase = .mounting()
    return [.mount]
  }

  /// The connection was lost before the device was usable.
  private mutating func neverAttached() -> [Action] {
    attempts += 1
    let failure = self.failure ?? Self.connectionLost
    return [.attemptFailed(failure)] + release(leaving: false)
  }

  private mutating func mounted(
    _ failure: Failure?, hasEnded: Bool, _ now: ContinuousClock.Instant
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
    return detachIfPending() ?? []
  }

  private mutating func detachIfPending() -> [Action]? {
    switch pendingDetach {
    case .none: nil
    case .gently: unmount(force: false)
    case .byForce: unmount(force: true)
    }
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

  /// Makes the kernel forget the device; after a lost connection the declared mount must be
  /// unmounted first; when `leaving`, that is in a detach, it was unmounted already.
  private mutating func release(leaving: Bool) -> [Action] {
    phase = .releasing(leaving: leaving)
    nextAttempt = nil
    if leaving && isMountLeft { return [.unmount(lazily: true)] }
    return leaving
      ? [.release(patiently: true)] : [.unmount(lazily: pendingDetach == .byForce)]
  }

  private mutating func released(
    _ holders: [String], leaving: Bool, _ now: ContinuousClock.Instant, _ random: Double
  ) -> [Action] {
    self.holders = holders.isEmpty ? [] : mountUsers + holders
    mountUsers = []
    let detach = pendingDetach
    pendingDetach = .none
    if leaving || detach == .byForce || (detach == .gently && holders.isEmpty) {
      return detached()
    }
    guard !holders.isEmpty else {
      return wait(for: failure ?? Self.connectionLost, now, random)
    }
    phase = .held
    let refusal = detach == .none ? [] : [Action.refused(heldFailure)]
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
    pendingDetach = .none
    backoff.reset()
    return []
  }

  private mutating func unmount(force: Bool) -> [Action] {
    pendingDetach = .none
    isMountLeft = false
    phase = .unmounting(force: force)
    return [.unmount(lazily: false)]
  }

  private mutating func unmounted(
    _ failure: Failure?, force: Bool, hasEnded: Bool, _ now: ContinuousClock.Instant
  ) -> [Action] {
    if failure == nil { return hasEnded ? release(leaving: true) : quiesce(force: force) }
    if force {
      isMountLeft = true
      return hasEnded ? release(leaving: true) : quiesce(force: true)
    }
    return refuse(failure, hasEnded: hasEnded, now)
  }

  private mutating func quiesce(force: Bool) -> [Action] {
    phase = .quiescing(force: force)
    // A server that does not reply must not hold up a forced detach.
    return [.quiesce(force: force)] + (force ? [.setTimer(Self.grace)] : [])
  }

  private mutating func quiesced(
    _ failure: Failure?, force: Bool, hasEnded: Bool, _ now: ContinuousClock.Instant
  ) -> [Action] {
    if force {
      return [.cancelTimer] + (hasEnded ? release(leaving: true) : disconnect(leaving: true))
    }
    guard failure != nil else {
      return hasEnded ? release(leaving: true) : disconnect(leaving: true)
    }
    return refuse(failure, hasEnded: hasEnded, now)
  }

  private mutating func refuse(
    _ failure: Failure?, hasEnded: Bool, _ now: ContinuousClock.Instant
  ) -> [Action] {
    let refusal = [Action.refused(failure ?? Failure(.detach, "in use"))]
    if hasEnded {
      return refusal + lost(self.failure ?? Self.connectionLost, now)
    }
    // Whatever was unmounted during the detach is mounted again.
    return refusal + mount()
  }

  private mutating func disconnect(leaving: Bool) -> [Action] {
    phase = .disconnecting(by: .goodbye, leaving: leaving)
    return [.disconnect, .setTimer(Self.grace)]
  }

  private static let notLetGo = Failure(.detach, "the kernel does not release the device")

  private mutating func escalate(from means: Means, leaving: Bool) -> [Action] {
    switch means {
    case .goodbye:
      phase = .disconnecting(by: .shutDown, leaving: leaving)
      return [.shutDown, .setTimer(Self.grace)]
    case .shutDown:
      phase = .disconnecting(by: .clear, leaving: leaving)
      return [.clear, .setTimer(Self.grace)]
    case .clear:
      phase = .disconnecting(by: .exhausted, leaving: leaving)
      failure = Self.notLetGo
      return [.refused(Self.notLetGo)]
    case .exhausted: return impossible(.timer)
    }
  }
}
