// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Dispatch
internal import Linux
internal import Relay
internal import Synchronization

/// A device that nbdd manages: performs the actions of its lifecycle and feeds it events.
final class Device {
  /// The configuration in force while the device is attached.
  private(set) var configuration: DeviceConfiguration {
    didSet { if configuration != oldValue { use = ExportUse(configuration) } }
  }
  /// The configuration for the next attempt, if it was changed meanwhile.
  private(set) var nextConfiguration: DeviceConfiguration? {
    didSet { if nextConfiguration != oldValue { nextUse = nextConfiguration.map(ExportUse.init) } }
  }
  private var use: ExportUse
  private var nextUse: ExportUse?
  /// Exports that existing connections may still use, although the URI was changed.
  private var formerUses: [ExportUse] = []
  /// The configuration file; nil for a device that was attached by its URI.
  var file: String?
  /// Its file was removed: the device is forgotten when it is detached.
  var isOrphan = false

  private(set) var lifecycle: Lifecycle
  /// The state that was last logged and reported.
  private var shownState = Lifecycle.State.detached
  /// The attachment that was last logged: a refused detach is no news about it.
  private var shownAttachment: ContinuousClock.Instant?
  private var shownRefusal: Failure?
  private var shownHolders: [String] = []
  private var log = DeviceLog()
  /// When it entered its state, in microseconds since 1970.
  private(set) var since = Clocks.realtime
  private(set) var index: Int?
  private(set) var attachment: AttachThread.Attachment?
  /// The connections to the server, if the device is relayed.
  private(set) var connections: ConnectionSet?
  /// The number of outages of earlier attachments.
  private(set) var earlierOutages = 0
  /// What was found when the device was attached.
  private(set) var settled = KernelWork.Settled()
  private(set) var isSettled = false
  /// The kernel has ended the device before the attach thread reported that it serves it.
  var earlyEnd: String?
  /// What was last left to a successor.
  var rememberedText: [UInt8] = []
  /// The real path of the declared mount, once it has been mounted.
  private(set) var mountPoint: String?
  /// Its mount waits for that of another device, which it is below.
  var awaitsOuter = false
  /// What a forced detach dropped.
  private(set) var notes: [String] = []
  /// How many requests had failed when a forced detach began to fail them.
  private var refusedBefore: Int?
  /// The next nbdd continues with it.
  private(set) var isLeft = false

  /// Kernel devices that turned out to be in use during this attempt.
  private var avoided: Set<Int> = []
  private var interrupt: Wakeup?
  /// Keeps others from claiming the device while it is being detached.
  private(set) var claim: Descriptor?
  private var timer: Loop.Timer?
  private var forceTimer: Loop.Timer?
  /// When the last timer ends, in microseconds since 1970.
  private(set) var timerEnd: Int64 = 0
  private var observers: [(Observation) -> Bool] = []
  unowned let manager: Manager

  /// What an observer of a device receives.
  enum Observation {
    case changed
    case attemptFailed(Failure)
    case refused(Failure)
  }

  init(_ configuration: DeviceConfiguration, file: String?, manager: Manager) {
    self.configuration = configuration
    use = ExportUse(configuration)
    self.file = file
    self.manager = manager
    lifecycle = Lifecycle(reconnectDelay: configuration.settings.reconnectDelay)
  }

  var name: String { configuration.name }

  /// Peculiarities of what is attached that an admin may want to know.
  var remarks: [String] { (attachment?.notes ?? []) + settled.notes }

  /// The exports that it uses, or will use; the one configured last is last.
  var uses: [ExportUse] { formerUses + [use] + (nextUse.map { [$0] } ?? []) }

  /// The state for the control interface: the lifecycle's, while I/O flows.
  var state: Lifecycle.State {
    guard lifecycle.state == .attached, let connections, connections.isCut else {
      return lifecycle.state
    }
    return connections.failure?.isPersistent == true ? .failed : .reconnecting
  }

  func attach() {
    connections?.reconnect(all: false)
    lifecycle.isMountMissing = isMountMissing
    handle(.attach)
  }

  func detach(force: Bool) {
    notes = []
    if let connections {
      if connections.isCut, !connections.isAbandoned, !force, lifecycle.phase == .attached {
        return later { self.refuse(Self.unsent(connections.failure)) }
      }
      if force { failSoon(connections) }
    }
    handle(.detach(force: force))
  }

  private static func unsent(_ cause: Failure?) -> Failure {
    Failure(
      .detach,
      "the server is unreachable (\(cause?.message ?? "")), so the last writes cannot be sent; wait until "
        + "it is back, or drop them with --force")
  }

  /// Fails waiting requests in a forced detach: at once if the server is unreachable, otherwise
  /// after a short wait.
  private func failSoon(_ connections: ConnectionSet) {
    guard !connections.isCut else { return fail(connections) }
    forceTimer = Loop.timer(after: Lifecycle.grace) { self.fail(connections) }
  }

  private func fail(_ connections: ConnectionSet) {
    refusedBefore =
      refusedBefore ?? connections.relay.counters.requestsRefused.load(ordering: .relaxed)
    connections.stop()
    connections.relay.fail()
  }

  /// Replaces the connections, or ends a wait for the next attempt.
  func reconnect() {
    connections?.reconnect(all: true)
    if lifecycle.phase == .waiting || lifecycle.phase == .held { handle(.attach) }
  }

  /// Fails the waiting requests; returns false if there are none and there is no outage.
  func giveUp() -> Bool {
    guard let connections, !connections.isAbandoned else { return false }
    let held = connections.relay.counters.requestsHeld.load(ordering: .relaxed)
    guard connections.isCut || held > 0 else { return false }
    connections.relay.giveUp()
    return true
  }

  /// Drops unflushed writes and waiting requests and does not connect again; returns false if that
  /// was done before, or if the device is not relayed.
  func abandon() -> Bool {
    guard let connections, !connections.isAbandoned else { return false }
    connections.relay.abandon()
    return true
  }

  /// Applies another configuration: all of it if the device is detached, what concerns its connections
  /// if it is relayed; the rest waits for the next attach.
  func change(_ configuration: DeviceConfiguration) {
    let applied = self.configuration.connecting(as: configuration)
    if lifecycle.phase == .detached {
      self.configuration = configuration
    } else if let connections, applied != self.configuration {
      do throws(SystemError) {
        try connections.change(to: applied)
        log.changed(self, applied)
        if applied.uri != self.configuration.uri {
          if !connections.isCut { formerUses.append(use) }
          if let index { DeviceLink.rename(index, name, byPath: applied.uri.pathName) }
        }
        self.configuration = applied
        lifecycle.reconnectDelay = applied.settings.reconnectDelay
      } catch {
        Journal.error("\(name): not changed: \(error)", Journal.Fields(device: name))
      }
    }
    nextConfiguration = configuration == self.configuration ? nil : configuration
    manager.changed(self)
  }

  /// Calls `observer` after each event until it returns true.
  func observe(_ observer: @escaping (Observation) -> Bool) {
    observers.append(observer)
  }

  /// What work on the kernel device results in, besides its event.
  enum Finding {
    case settled(KernelWork.Settled)
    case mounted(at: String)
    case claimed(Descriptor?)
    /// For the reply to a detach.
    case noted(String)
  }

  func record(_ finding: Finding) {
    switch finding {
    case .settled(let settled):
      if attachment != nil { (self.settled, isSettled) = (settled, true) }
    case .mounted(let path): mountPoint = path
    case .claimed(let claim): self.claim = claim
    case .noted(let note): notes.append(note)
    }
  }

  // MARK: events

  /// Feeds an event to the lifecycle and performs its actions.
  func handle(_ event: Lifecycle.Event) {
    let actions = lifecycle.handle(event, at: .now, random: .random(in: 0..<1))
    if lifecycle.phase == .detached { cleanUp() }
    if lifecycle.attachedAt == nil { shownRefusal = nil }
    for action in actions { perform(action) }
    show()
  }

  /// Logs and reports the present state.
  private func show() {
    if state != shownState {
      // An action may already have changed the state again, and have shown that.
      let before = shownState
      shownState = state
      since = Clocks.realtime
      // A refused detach is no news about an attachment; the end of an outage is.
      let isEndOfOutage = state == .attached && (before == .reconnecting || before == .failed)
      if isEndOfOutage || shownAttachment == nil || shownAttachment != lifecycle.attachedAt
        || before == .attached && state != .detaching
      {
        log.transition(self, from: before)
      }
      shownAttachment = lifecycle.attachedAt
    }
    if lifecycle.holders != shownHolders {
      shownHolders = lifecycle.holders
      log.held(self)
    }
    remember()
    tell(.changed)
    manager.changed(self)
  }

  private func endAttachment() {
    refusedBefore = nil
    connections?.stop()
    earlierOutages += connections?.outages.count ?? 0
    connections = nil
    formerUses = []
    forceTimer = nil
    attachment = nil
    isSettled = false
    rememberedText = []
  }

  private func cleanUp() {
    endAttachment()
    claim = nil
    settled = KernelWork.Settled()
    mountPoint = nil
    interrupt = nil
    index = nil
    if let nextConfiguration { configuration = nextConfiguration }
    nextConfiguration = nil
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
      log.attemptFailed(self, failure, lifecycle.attempts)
      tell(.attemptFailed(failure))
    case .refused(let failure): refuse(failure)
    }
  }

  private func refuse(_ failure: Failure) {
    claim = nil
    forceTimer = nil
    if failure != shownRefusal { log.refused(self, failure) }
    shownRefusal = failure
    tell(.refused(failure))
  }

  private func shutDown() {
    if let socket = attachment?.socket { socket.shutDown() }
    guard let connections else { return }
    if case .disconnecting = lifecycle.phase { connections.relay.stop() } else { fail(connections) }
  }

  private func connect() {
    if let nextConfiguration { configuration = nextConfiguration }
    nextConfiguration = nil
    lifecycle.reconnectDelay = configuration.settings.reconnectDelay
    do throws(Failure) {
      try manager.checkExport(of: self)
      let index = try manager.reserve(for: self, avoiding: avoided)
      let interrupt: Wakeup
      do throws(SystemError) { interrupt = try Wakeup() } catch {
        throw Failure(.connect, error.description)
      }
      self.index = index
      self.interrupt = interrupt
      earlyEnd = nil
      let keeper = configuration.settings.path == .relay ? manager.connectKeeper() : nil
      let attempt = AttachThread(
        configuration: configuration, index: index, interrupt: interrupt,
        keeperPath: keeper?.path
      ) { report in
        DispatchQueue.main.async { self.take(report) }
      }
      run { attempt.run() }
    } catch {
      avoided = []
      later { self.handle(.ended(error)) }
    }
  }

  var keeperPath: String? { manager.keeper?.path }

  /// Takes what is known of a device that an earlier nbdd has left.
  func begin(
    adopted attachment: AttachThread.Attachment, _ relay: DeviceRelay,
    _ remembered: RememberedDevice, firstNumber: Int, poison: Failure?
  ) throws(SystemError) {
    index = remembered.index
    self.attachment = attachment
    if let settled = remembered.settled { (self.settled, isSettled) = (settled, true) }
    mountPoint = remembered.mountPoint
    connections = try connectionSet(attachment, relay, firstNumber: firstNumber, poison: poison)
  }

  private func connectionSet(
    _ attachment: AttachThread.Attachment, _ relay: DeviceRelay, firstNumber: Int,
    poison: Failure? = nil
  ) throws(SystemError) -> ConnectionSet {
    let name = name
    let keep: ConnectionSet.Keeping? =
      attachment.isKept
      ? ConnectionSet.Keeping(
        keep: { [unowned manager] in manager.keeper?.keepServer(of: name, $0, $1) },
        release: { [unowned manager] in manager.keeper?.releaseServer(of: name, $0) }) : nil
    return try ConnectionSet(
      configuration, attachment, relay, keep, firstNumber: firstNumber, poison: poison
    ) { self.take($0) }
  }

  /// Leaves the device to the next nbdd.
  func leave() {
    guard let connections else { return }
    remember()
    isLeft = true
    connections.stop()
    connections.relay.leave()
  }

  func take(_ report: AttachThread.Report) {
    switch report {
    case .serving(let attachment):
      self.attachment = attachment
      avoided = []
      if let relay = attachment.relay { begin(relay, attachment) }
      handle(.serving)
      if let earlyEnd { endKept(earlyEnd) }
      earlyEnd = nil
      // The configuration was changed while the attempt was under way.
      if let nextConfiguration { change(nextConfiguration) }
    case .relay(let event): take(event)
    case .inUse(let failure):
      guard configuration.device == nil, let index else { return handle(.ended(failure)) }
      avoided.insert(index)
      handle(.inUse)
    case .ended(let failure):
      // The kernel has forgotten the socket, so closing the device does not wait for anything. The
      // node comes last: closing it makes udev probe the device, which must be empty by then.
      claim = nil
      endAttachment()
      settled = KernelWork.Settled()
      if lifecycle.isWritingBack { noteLoss() }
      handle(.ended(failure))
      // A change that came during a first attempt may fix the failure.
      if nextConfiguration != nil, lifecycle.phase == .waiting { attach() }
    }
  }

  private func begin(_ relay: DeviceRelay, _ attachment: AttachThread.Attachment) {
    do throws(SystemError) {
      connections = try connectionSet(attachment, relay, firstNumber: 2)
    } catch {
      // Nothing could manage its connections.
      Journal.error("\(name): \(error)", Journal.Fields(device: name))
      relay.stop()
    }
  }

  private func take(_ event: DeviceRelay.Event) {
    switch event {
    case .left: return leaveNeutralForm { self.manager.left(self) }
    case .failed(let error): note("\(error)")
    default: break
    }
    if case .ended = event, let connections, let before = refusedBefore {
      let count = connections.relay.counters.requestsRefused.load(ordering: .relaxed) - before
      let requests = count == 1 ? "1 request" : "\(count) requests"
      if count > 0 { note("\(requests) failed with I/O errors") }
    }
    if case .ended(let bytes) = event, bytes > 0 {
      note(
        "\(bytes) bytes were acknowledged that the server may not have on stable storage; they are "
          + "not kept any longer")
    }
    connections?.take(event)
    if connections?.isCut == true { formerUses = [] }
  }

  private func take(_ change: ConnectionSet.Change) {
    switch change {
    case .other: break
    case .attemptFailed(let failure, let attempts):
      log.attemptFailed(self, failure, attempts)
      tell(.attemptFailed(failure))
    case .gaveUp(let count): log.gaveUp(self, count)
    case .abandoned(let bytes, let count): log.abandoned(self, bytes, count)
    case .unconfirmed(let count): log.unconfirmed(self, count)
    case .requestFailed(let message): log.requestFailed(self, message)
    case .growthFailed(let error, let pause): log.growthFailed(self, error, pause)
    case .grown(let size): log.grown(self, size)
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
