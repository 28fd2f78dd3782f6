// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

@testable import Daemon

/// A lifecycle and what its actions have set going around it: a thread, a helper, a timer.
///
/// It knows what can happen next, and notes whatever must not be.
nonisolated struct World {
  private(set) var device = Lifecycle(reconnectDelay: .seconds(30))
  /// The latest events.
  private(set) var history: [Lifecycle.Event] = []
  /// What must not be, if it came to that.
  private(set) var flaw: String?

  private enum Thread { case none, connecting, serving }
  private enum Helper { case settle, mount, unmount, quiesce, release }

  private var thread = Thread.none
  private var helper: Helper?
  private var hasTimer = false
  /// A mount has succeeded, and nobody has tried to unmount it since.
  private var isMounted = false
  private var isRefused = false
  private var now = ContinuousClock.now

  // MARK: what can happen

  /// Every event that can come now.
  var possible: [Lifecycle.Event] {
    wishes + threadReports + helperReports + (hasTimer ? [.timer] : [])
  }

  private var wishes: [Lifecycle.Event] {
    [.attach, .detach(force: false), .detach(force: true)]
  }

  private var threadReports: [Lifecycle.Event] {
    switch thread {
    case .none: []
    case .connecting: [.serving, .inUse, .ended(.refused), .ended(.wrongServer)]
    case .serving: [.ended(.lost)]
    }
  }

  private var helperReports: [Lifecycle.Event] {
    switch helper {
    case nil: []
    case .settle: [.settled(nil), .settled(.stuck)]
    case .mount: [.mounted(nil), .mounted(.badFileSystem)]
    case .unmount: [.unmounted(nil), .unmounted(.busy)]
    case .quiesce: [.quiesced(nil), .quiesced(.busy)]
    case .release: [.released(holders: []), .released(holders: ["dd"])]
    }
  }

  mutating func happens(_ event: Lifecycle.Event) {
    if history.count >= 40 { history.removeFirst(20) }
    history.append(event)
    settle(event)
    now = now + .seconds(1)
    for action in device.handle(event, at: now, random: 0.5) { perform(action) }
    look()
  }

  /// A world in which the same happens as well.
  func after(_ event: Lifecycle.Event) -> World {
    var world = self
    world.happens(event)
    return world
  }

  /// Lets all that is under way come to its end: helpers report first, well or `badly`, then
  /// the thread ends.
  ///
  /// False if that leads neither to detached nor to a refusal.
  mutating func runsOut(badly: Bool, acceptingRefusal: Bool) -> Bool {
    isRefused = false
    for _ in 0..<20 {
      if device.phase == .detached || (acceptingRefusal && isRefused) { return true }
      let reports = helperReports
      guard let event = badly ? reports.last : reports.first else {
        guard thread != .none else { return false }
        happens(.ended(.lost))
        continue
      }
      happens(event)
    }
    return false
  }

  // MARK: what is under way

  /// What has reported is not under way any more.
  private mutating func settle(_ event: Lifecycle.Event) {
    switch event {
    case .serving, .adopted: thread = .serving
    case .inUse, .ended: thread = .none
    case .settled, .quiesced, .released: helper = nil
    case .mounted(let failure):
      helper = nil
      if failure == nil { isMounted = true }
    case .unmounted:
      helper = nil
      isMounted = false
    case .timer: hasTimer = false
    case .attach, .detach: break
    }
  }

  private mutating func perform(_ action: Lifecycle.Action) {
    switch action {
    case .connect:
      demand(thread == .none && helper == nil, "connects while something is under way")
      thread = .connecting
    case .interrupt: demand(thread == .connecting, "interrupts what is not connecting")
    case .settle: start(.settle, needsServing: true)
    case .mount: start(.mount, needsServing: true)
    case .unmount: start(.unmount, needsServing: false)
    case .quiesce: start(.quiesce, needsServing: true)
    case .release:
      demand(thread == .none, "releases what is served")
      start(.release, needsServing: false)
    case .disconnect, .shutDown, .clear: demand(thread == .serving, "\(action) without a server")
    case .setTimer: hasTimer = true
    case .cancelTimer: hasTimer = false
    case .attemptFailed: break
    case .refused: isRefused = true
    }
  }

  private mutating func start(_ helper: Helper, needsServing: Bool) {
    demand(self.helper == nil, "starts \(helper) while another helper is under way")
    if needsServing { demand(thread == .serving, "starts \(helper) without a server") }
    self.helper = helper
  }

  // MARK: what must not be

  private mutating func look() {
    demand(device.surprise == nil, "an event came that the lifecycle calls impossible")
    switch device.phase {
    case .detached:
      demand(thread == .none && helper == nil && !hasTimer, "detached, with something under way")
      demand(!isMounted, "detached, with a mount that nobody tried to unmount")
      demand(device.failure == nil && device.mountFailure == nil, "detached, with a failure")
      demand(device.holders == [], "detached, with holders")
    case .attached:
      demand(thread == .serving && helper == nil && !hasTimer, "attached, with something under way")
    case .waiting, .held:
      demand(hasTimer, "waits without a timer")
      demand(thread == .none && helper == nil, "waits, with something under way")
      demand(device.failure != nil, "waits, and nobody knows why")
    default:
      demand(thread != .none || helper != nil, "\(device.phase), with nothing that would end it")
    }
    let waits = device.phase == .waiting || device.phase == .held
    demand((device.nextAttempt != nil) == waits, "\(device.phase), next attempt is wrong")
  }

  private mutating func demand(_ condition: Bool, _ message: String) {
    if !condition && flaw == nil { flaw = message }
  }
}
