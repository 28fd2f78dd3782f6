// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Dispatch
internal import Linux
internal import Relay
internal import Synchronization

/// A device that nbdd looks after: performs what its lifecycle says and feeds it what happens.
final class Device {
  /// What is in force, as long as it is attached.
  private(set) var context: DeviceConfiguration {
    didSet { if context != oldValue { use = ExportUse(context) } }
  }
  /// What the next attempt will use, if the configuration was changed meanwhile.
  private(set) var nextContext: DeviceConfiguration? {
    didSet { if nextContext != oldValue { nextUse = nextContext.map(ExportUse.init) } }
  }
  private var use: ExportUse
  private var nextUse: ExportUse?
  /// Where connections that are up may still lead, although the URI was changed.
  private var formerUses: [ExportUse] = []
  /// The configuration file; nil for a device that was attached by its URI.
  var file: String?
  /// The configuration does not have it any more: it is forgotten when it is detached.
  var isOrphan = false

  private(set) var lifecycle: Lifecycle
  /// The state that was last logged and told.
  private var shownState = Lifecycle.State.detached
  /// The attachment that was last logged: a refused detach is no news about it.
  private var shownAttachment: ContinuousClock.Instant?
  private var shownRefusal: Failure?
  private var shownHolders: [String] = []
  /// Of its lines in the log about outages.
  var logRateLimit = LogRateLimit()
  /// Since when it is in its state, in microseconds since 1970.
  private(set) var since = Clocks.realtime
  private(set) var index: Int?
  private(set) var serving: AttachThread.Attachment?
  /// The connections of what is served, if it is relayed.
  private(set) var lanes: ConnectionSet?
  /// What became of earlier attachments' outages.
  private(set) var earlierOutages = 0
  /// What was found when the kernel had it.
  var settled = KernelWork.Settled()
  /// The real path of the declared mount, once it has been mounted.
  var mountPoint: String?
  /// What a forced detach had to drop.
  var notes: [String] = []
  /// How many requests had been answered with errors when a forced detach began to do so.
  private var refusedBefore: Int?

  /// Kernel devices that turned out to be taken in this attempt.
  private var avoided: Set<Int> = []
  private var interrupt: Wakeup?
  /// Keeps others from claiming the device while it is being detached.
  var claim: Descriptor?
  private var timer: Loop.Timer?
  private var forceTimer: Loop.Timer?
  /// When the last timer ends, in microseconds since 1970.
  private(set) var timerEnd: Int64 = 0
  private var observers: [(Observation) -> Bool] = []
  private unowned let manager: Manager

  /// What those who wait for a device get to know.
  enum Observation {
    case changed
    case attemptFailed(Failure)
    case refused(Failure)
  }

  init(_ context: DeviceConfiguration, file: String?, manager: Manager) {
    self.context = context
    use = ExportUse(context)
    self.file = file
    self.manager = manager
    lifecycle = Lifecycle(reconnectDelay: context.settings.reconnectDelay)
  }

  var name: String { context.name }

  /// What an admin might want to know about what is attached, though it works.
  var remarks: [String] { (serving?.notes ?? []) + settled.notes }

  /// The exports that it uses, or will; last what was configured last.
  var uses: [ExportUse] { formerUses + [use] + (nextUse.map { [$0] } ?? []) }

  /// As the control interface has it: what the lifecycle says, as long as I/O flows.
  var state: Lifecycle.State {
    guard lifecycle.state == .attached, let lanes, lanes.isCut else { return lifecycle.state }
    return lanes.failure?.isPersistent == true ? .failed : .reconnecting
  }

  func attach() {
    lanes?.reconnect(all: false)
    handle(.attach)
  }

  func detach(force: Bool) {
    notes = []
    if let lanes {
      if lanes.isCut, !lanes.isAbandoned, !force, lifecycle.phase == .attached {
        return later { self.refuse(Self.unsent(lanes.failure)) }
      }
      if force { failSoon(lanes) }
    }
    handle(.detach(force: force))
  }

  private static func unsent(_ cause: Failure?) -> Failure {
    Failure(
      .detach,
      "the server cannot be reached (\(cause?.message ?? "")), so what was written last cannot be "
        + "sent; wait until it is back, or give that up with --force")
  }

  /// In a forced detach nothing waits for a server: not at all if it is gone, else not for long.
  private func failSoon(_ lanes: ConnectionSet) {
    guard !lanes.isCut else { return fail(lanes) }
    forceTimer = Loop.timer(after: Lifecycle.grace) { self.fail(lanes) }
  }

  private func fail(_ lanes: ConnectionSet) {
    refusedBefore = refusedBefore ?? lanes.relay.counters.requestsRefused.load(ordering: .relaxed)
    lanes.stop()
    lanes.relay.fail()
  }

  /// Makes the connections anew, or tries at once what waits.
  func reconnect() {
    lanes?.reconnect(all: true)
    if lifecycle.phase == .waiting || lifecycle.phase == .held { handle(.attach) }
  }

  /// Answers what is held with errors; false if nothing is, and no outage is under way.
  func giveUp() -> Bool {
    guard let lanes, !lanes.isAbandoned else { return false }
    let held = lanes.relay.counters.requestsHeld.load(ordering: .relaxed)
    guard lanes.isCut || held > 0 else { return false }
    lanes.relay.giveUp()
    return true
  }

  /// Drops what is kept and held, and makes no connection any more; false if that is so already, or if
  /// the device is not relayed.
  func abandon() -> Bool {
    guard let lanes, !lanes.isAbandoned else { return false }
    lanes.relay.abandon()
    return true
  }

  /// Takes other settings: all if it is detached, those of its connections if it is relayed; the
  /// rest waits for the next attach.
  func change(_ context: DeviceConfiguration) {
    let taken = self.context.connecting(as: context)
    if lifecycle.phase == .detached {
      self.context = context
    } else if let lanes, taken != self.context {
      do throws(SystemError) {
        try lanes.change(to: taken)
        DeviceLog.changed(self, taken)
        if !lanes.isCut, taken.uri != self.context.uri { formerUses.append(use) }
        self.context = taken
        lifecycle.reconnectDelay = taken.settings.reconnectDelay
      } catch {
        Journal.error("\(name): not changed: \(error)", Journal.Fields(device: name))
      }
    }
    nextContext = context == self.context ? nil : context
    manager.changed(self)
  }

  /// Calls `observer` after everything that happens, until it answers that it is done.
  func observe(_ observer: @escaping (Observation) -> Bool) {
    observers.append(observer)
  }

  // MARK: events

  /// Takes what has happened and performs what is to be done then.
  func handle(_ event: Lifecycle.Event) {
    let actions = lifecycle.handle(event, at: .now, random: .random(in: 0..<1))
    if lifecycle.phase == .detached { cleanUp() }
    if lifecycle.attachedAt == nil { shownRefusal = nil }
    for action in actions { perform(action) }
    show()
  }

  /// Tells everybody who is concerned how it stands now.
  private func show() {
    if state != shownState {
      // An action may have led further already, and have shown that.
      let before = shownState
      shownState = state
      since = Clocks.realtime
      // A refused detach is no news about an attachment; the end of an outage is.
      let isEndOfOutage = state == .attached && (before == .reconnecting || before == .failed)
      if isEndOfOutage || shownAttachment == nil || shownAttachment != lifecycle.attachedAt
        || before == .attached && state != .detaching
      {
        DeviceLog.transition(self, from: before)
      }
      shownAttachment = lifecycle.attachedAt
    }
    if lifecycle.holders != shownHolders {
      shownHolders = lifecycle.holders
      DeviceLog.held(self)
    }
    tell(.changed)
    manager.changed(self)
  }

  private func endServing() {
    refusedBefore = nil
    lanes?.stop()
    earlierOutages += lanes?.outages.count ?? 0
    lanes = nil
    formerUses = []
    forceTimer = nil
    serving = nil
  }

  private func cleanUp() {
    endServing()
    claim = nil
    settled = KernelWork.Settled()
    mountPoint = nil
    interrupt = nil
    index = nil
    if let nextContext { context = nextContext }
    nextContext = nil
  }

  private func tell(_ observation: Observation) {
    let waiting = observers
    observers = []
    observers += waiting.filter { !$0(observation) }
  }

  // MARK: actions

  private func perform(_ action: Lifecycle.Action) {
    switch action {
    case .connect: connect()
    case .interrupt: interrupt?.signal()
    case .settle: settle()
    case .mount: mount()
    case .unmount(let lazily): unmount(lazily: lazily)
    case .quiesce(let force): quiesce(force: force)
    case .disconnect: disconnect()
    case .shutDown: shutDown()
    case .clear: clear()
    case .release(let patiently): release(patiently: patiently)
    case .setTimer(let time):
      timer = Loop.timer(after: time) { self.handle(.timer) }
      timerEnd = Clocks.realtime + time.milliseconds * 1000
    case .cancelTimer: timer = nil
    case .attemptFailed(let failure):
      DeviceLog.attemptFailed(self, failure, lifecycle.attempts)
      tell(.attemptFailed(failure))
    case .refused(let failure): refuse(failure)
    }
  }

  private func refuse(_ failure: Failure) {
    claim = nil
    forceTimer = nil
    if failure != shownRefusal { DeviceLog.refused(self, failure) }
    shownRefusal = failure
    tell(.refused(failure))
  }

  private func shutDown() {
    if let socket = serving?.socket { shutDownSocket(socket) }
    guard let lanes else { return }
    if case .disconnecting = lifecycle.phase { lanes.relay.stop() } else { fail(lanes) }
  }

  private func connect() {
    if let nextContext { context = nextContext }
    nextContext = nil
    lifecycle.reconnectDelay = context.settings.reconnectDelay
    do throws(Failure) {
      try manager.checkExport(of: self)
      let index = try manager.reserve(for: self, avoiding: avoided)
      let interrupt: Wakeup
      do throws(SystemError) { interrupt = try Wakeup() } catch {
        throw Failure(.connect, error.description)
      }
      self.index = index
      self.interrupt = interrupt
      let attempt = AttachThread(context: context, index: index, interrupt: interrupt) { report in
        DispatchQueue.main.async { self.take(report) }
      }
      run { attempt.run() }
    } catch {
      avoided = []
      later { self.handle(.ended(error)) }
    }
  }

  private func take(_ report: AttachThread.Report) {
    switch report {
    case .serving(let serving):
      self.serving = serving
      avoided = []
      if let relay = serving.relay { begin(relay, serving) }
      handle(.serving)
      // It was changed while the attempt was under way.
      if let nextContext { change(nextContext) }
    case .relay(let event): take(event)
    case .taken(let failure):
      guard context.device == nil, let index else { return handle(.ended(failure)) }
      avoided.insert(index)
      handle(.taken)
    case .ended(let failure):
      // The kernel has forgotten the socket, so closing the device does not wait for anything. The
      // node comes last: its close tells udev to look, which shall find an empty device by then.
      claim = nil
      endServing()
      settled = KernelWork.Settled()
      if lifecycle.isWritingBack { noteLoss() }
      handle(.ended(failure))
      // A change that came during a first attempt is perhaps the cure.
      if nextContext != nil, lifecycle.phase == .waiting { attach() }
    }
  }

  private func begin(_ relay: DeviceRelay, _ serving: AttachThread.Attachment) {
    do throws(SystemError) {
      lanes = try ConnectionSet(context, serving, relay) { self.take($0) }
    } catch {
      // Nobody could look after its connections.
      Journal.error("\(name): \(error)", Journal.Fields(device: name))
      relay.stop()
    }
  }

  private func take(_ event: DeviceRelay.Event) {
    if case .ended = event, let lanes, let before = refusedBefore {
      let count = lanes.relay.counters.requestsRefused.load(ordering: .relaxed) - before
      let words = count == 1 ? "1 request was" : "\(count) requests were"
      if count > 0 { note("\(words) answered with I/O errors") }
    }
    if case .ended(let bytes) = event, bytes > 0 {
      note(
        "\(bytes) bytes were acknowledged that the server may not have on stable storage; they are "
          + "not kept any longer")
    }
    lanes?.take(event)
    if lanes?.isCut == true { formerUses = [] }
  }

  private func take(_ change: ConnectionSet.Change) {
    switch change {
    case .other: break
    case .attemptFailed(let failure, let attempts):
      DeviceLog.attemptFailed(self, failure, attempts)
      tell(.attemptFailed(failure))
    case .gaveUp(let count): DeviceLog.gaveUp(self, count)
    case .abandoned(let bytes, let count): DeviceLog.abandoned(self, bytes, count)
    case .unconfirmed(let count): DeviceLog.unconfirmed(self, count)
    case .requestFailed(let words): DeviceLog.requestFailed(self, words)
    case .growthFailed(let error, let pause): DeviceLog.growthFailed(self, error, pause)
    case .grown(let size): DeviceLog.grown(self, size)
    }
    show()
  }

  private func note(_ note: String) {
    notes.append(note)
    Journal.error("\(name): \(note)", Journal.Fields(device: name))
  }

  private func noteLoss() {
    note("the connection was lost during the detach: what had not reached the server is lost")
  }
}
