// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import NBD
internal import Relay
internal import Synchronization
internal import TestSupport
internal import Transport

/// A relay of its own, between a played kernel and a played server, all driven step by step by one thread.
///
/// Before each step the relay has dealt with what came before, as far as it does not wait for time to pass.
final class Scenario {
  private struct Connection {
    var played: PlayedConnection?
    /// The relay awaits a connection.
    var isDown = true
    /// How many reports are to come of connections that were replaced.
    var replacedCount = 0
  }

  private let plan: Plan
  private let journal: Journal
  private let doorway: Doorway
  private let expectation: Expectation
  private let kernel: PlayedKernel
  private let server: PlayedServer
  private let relay: DeviceRelay
  private let thread: RelayThread
  private let threadState: Descriptor
  private let readiness = Readiness(capacity: 64)
  private var connections: [Connection]
  private var playedCount = 0
  /// The relay may not yet have known what made the kernel expect failures when it reported what comes next.
  private var isFailureNew = false
  private var tally = Tally()

  init(_ plan: Plan, _ options: Options, _ doorway: Doorway, _ journal: Journal) throws(SystemError)
  {
    self.plan = plan
    self.journal = journal
    self.doorway = doorway
    expectation = Expectation(blockCount: plan.blockCount)
    var pairs: [SocketPair] = []
    for _ in 0..<plan.socketCount { pairs.append(try SocketPair()) }
    kernel = try PlayedKernel(pairs.map(\.kernel), plan, expectation, journal)
    // Long before the relay stops to wait, however busy the machine is.
    let latest = min(5000, plan.requestTimeout.milliseconds) * 1000 / 4
    server = PlayedServer(plan.nature, expectation, latest: latest, journal)
    connections = Array(repeating: Connection(), count: plan.connectionCount)
    var settings = DeviceRelay.Settings(
      requestTimeout: plan.requestTimeout, unflushedLimit: plan.unflushedLimit)
    settings.giveUpAfter = plan.giveUpAfter
    settings.spins = plan.seed % 2 == 0
    kernel.isFailing = plan.giveUpAfter != nil
    options.apply(to: &settings)
    thread = try RelayThread()
    let record = try Record(
      named: "history", socketCount: plan.socketCount, unflushedLimit: plan.unflushedLimit)
    relay = try DeviceRelay(record, pairs, connectionCount: plan.connectionCount, settings) {
      [thread] in thread.report($0)
    }
    threadState = try thread.start(relay)
  }

  /// Runs it, and answers what was done; a violation is thrown with it.
  func run() -> (Tally, Violation?) {
    var violation: Violation?
    do throws(Violation) {
      for step in plan.steps {
        if try perform(step) { try settle() }
      }
      if plan.endsAbandoned { try abandon() } else { try finish() }
    } catch {
      violation = error
    }
    relay.stop()
    do throws(Violation) {
      try thread.awaitEnd()
    } catch {
      violation = violation ?? error
    }
    tally += server.tally
    tally.operations = kernel.answeredCount
    tally.scenarios = 1
    return (tally, violation)
  }

  // MARK: steps

  /// Does what a step says; answers whether the relay may have learnt anything of it.
  private func perform(_ step: Plan.Step) throws(Violation) -> Bool {
    var random = SplitMix(seed: step.seed)
    switch step.kind {
    case .submit: return submit(&random)
    case .connect:
      let down = connections.indices.filter { connections[$0].isDown }
      guard let connection = down.randomElement(using: &random) else { return false }
      try connect(connection, &random)
    case .replace: try connect(Int.random(in: 0..<plan.connectionCount, using: &random), &random)
    case .serve: return try server.serve(&random)
    case .deliver: return server.deliverSome(&random)
    case .crash: try server.crash(&random)
    case .cut: server.cutOne(&random)
    case .leave: server.leaveOne(&random)
    case .garble: server.garbleOne(&random)
    case .reconnect: command("reconnect") { relay.reconnect() }
    case .fail:
      (kernel.isFailing, isFailureNew) = (true, true)
      command("fail") { relay.fail() }
    case .giveUp:
      (kernel.isFailing, isFailureNew) = (true, true)
      command("give up") { relay.giveUp() }
    case .stall: try stall()
    case .execute, .reply, .writeBack, .haunt, .failFlush, .failRequest:
      try befall(step.kind, &random)
      return false
    }
    return true
  }

  /// What takes place at the server alone.
  private func befall(_ kind: Plan.Kind, _ random: inout SplitMix) throws(Violation) {
    switch kind {
    case .execute: try server.executeOne(&random)
    case .reply: server.replyToOne(&random)
    case .writeBack: try server.writeBack(&random)
    case .haunt: try server.haunt(&random)
    case .failFlush: server.failingFlushes += 1
    default: server.failingRequests += 1
    }
  }

  private func submit(_ random: inout SplitMix) -> Bool {
    let most = min(plan.depth - kernel.awaitedCount, Int.random(in: 1...8, using: &random))
    for _ in 0..<max(0, most) { kernel.submit(&random) }
    return most > 0
  }

  private func command(_ name: String, _ body: () -> Void) {
    journal.note("the relay is told to \(name)")
    tally.commands += 1
    body()
  }

  private func connect(_ connection: Int, _ random: inout SplitMix) throws(Violation) {
    // There is a limit to how many can be waited for.
    guard server.connections.count < 40 else { return }
    do {
      let (stream, accepted) = try doorway.connect()
      let style = [ReplyStyle.simple, .structured, .extended][
        Int.random(in: 0..<3, using: &random)]
      let blocks = [1, 2, 3, 65536][Int.random(in: 0..<4, using: &random)]
      playedCount += 1
      let played = try PlayedConnection(
        playedCount, index: connection, accepted, style, largestPayload: blocks * Content.blockBytes
      )
      var flags: TransmissionFlags = [.hasFlags, .sendTrim, .sendWriteZeroes, .canMultiConn]
      if plan.nature.offersFlush { flags.insert(.sendFlush) }
      if plan.nature.offersFUA { flags.insert(.sendFUA) }
      let sizes = BlockSizes(
        minimum: UInt32(Content.blockBytes), preferred: UInt32(Content.blockBytes),
        maximumPayload: UInt32(played.largestPayload))
      let export = Export(
        name: "", sizeBytes: UInt64(plan.blockCount * Content.blockBytes), flags: flags,
        blockSizes: sizes)
      journal.note(
        "connection \(playedCount), the relay's \(connection), \(style), at most \(played.largestPayload) bytes"
      )
      if !connections[connection].isDown {
        connections[connection].replacedCount += 1
        connections[connection].played?.isGivenUp = true
      }
      connections[connection].played = played
      connections[connection].isDown = false
      server.add(played)
      relay.use(
        HandedStream(stream), Negotiated(export: export, replies: style), as: connection)
    } catch {
      throw Violation("no connection: \(error)")
    }
  }

  /// The server does nothing until the relay has had enough of it.
  private func stall() throws(Violation) {
    let isAsked = server.connections.contains { !$0.isCut && !$0.isGivenUp && !$0.held.isEmpty }
    guard isAsked else { return }
    journal.note("the server stalls")
    tally.stalls += 1
    let before = (tally.outages, connections.count { $0.isDown })
    let end = Clocks.monotonic + plan.requestTimeout.milliseconds * 1000 * 4
    while Clocks.monotonic < end, (tally.outages, connections.count { $0.isDown }) == before {
      try look(5)
    }
  }

  // MARK: between steps

  /// Waits until the relay has dealt with everything, and takes what it has sent.
  private func settle() throws(Violation) {
    try look(0)
    var limit = TimeLimit(30_000_000)
    while isIdle {
      guard !limit.isOver() else {
        throw Violation("\(kernel.awaitedCount) requests wait, and nothing happens: \(situation)")
      }
      try look(20)
    }
  }

  private var situation: String {
    let connections = connections.enumerated().map { number, connection in
      "the relay's \(number)\(connection.isDown ? " is down" : "") with connection \(connection.played?.number ?? 0), "
        + "\(connection.replacedCount) replaced"
    }
    let all = server.connections.map { played in
      "connection \(played.number)\(played.isGivenUp ? " is given up" : "")\(played.isAtEnd ? " is at its end" : "")"
    }
    return (connections + all).joined(separator: "; ")
  }

  /// The relay has a connection and requests, and does not send them: it waits for time to pass.
  private var isIdle: Bool {
    kernel.awaitedCount > 0
      && server.connections.allSatisfy { $0.held.isEmpty && $0.outbox.isEmpty && !$0.isCut }
      && connections.contains {
        !$0.isDown && $0.played?.isCut == false && $0.played?.isAtEnd == false
      }
  }

  /// Takes what has come, after waiting at most so many milliseconds for something.
  private func look(_ milliseconds: CInt) throws(Violation) {
    let now = Clocks.monotonic
    try thread.awaitRest(threadState)
    takeEvents()
    for played in server.connections where !played.isGivenUp && !played.isAtEnd {
      played.usedAt = now
    }
    readiness.removeAll()
    let wakeup = readiness.add(thread.wakeup.descriptor, reading: true, writing: false)
    for descriptor in kernel.descriptors {
      _ = readiness.add(descriptor, reading: true, writing: false)
    }
    // Of one that is at its end nothing comes any more.
    let all = server.connections.filter { !$0.isAtEnd }
    for played in all { _ = readiness.add(played.socket, reading: true, writing: false) }
    readiness.wait(milliseconds)
    if milliseconds > 0 {
      try thread.awaitRest(threadState)
      takeEvents()
    }
    isFailureNew = false
    for index in kernel.descriptors.indices where readiness.isReadable(wakeup + 1 + index) {
      try kernel.receive(index)
    }
    guard kernel.errorCount <= server.errorCount else {
      throw Violation("a request is answered with an error, and nothing has failed")
    }
    let first = wakeup + 1 + kernel.descriptors.count
    for (index, played) in all.enumerated() {
      if readiness.isReadable(first + index) { try server.receive(played) }
    }
    if server.sweep() {
      try thread.awaitRest(threadState)
      takeEvents()
    }
  }

  private func takeEvents() {
    let events = thread.takeEvents()
    if !events.isEmpty { thread.wakeup.clear() }
    for event in events {
      journal.note("the relay reports \(event)")
      switch event {
      case .up(let connection):
        if !isFailureNew, plan.giveUpAfter == nil { kernel.isFailing = false }
        if connections[connection].replacedCount == 0 { connections[connection].isDown = false }
      case .down(let connection, _):
        if connections[connection].replacedCount > 0 {
          connections[connection].replacedCount -= 1
        } else {
          connections[connection].isDown = true
          connections[connection].played?.isGivenUp = true
        }
        tally.outages += connections.allSatisfy(\.isDown) ? 1 : 0
      default: break
      }
    }
  }

  // MARK: the end

  /// Lets everything end well, and looks at what there is then.
  private func finish() throws(Violation) {
    journal.note("no more faults")
    (server.failingFlushes, server.failingRequests) = (0, 0)
    relay.change(giveUpAfter: nil, abandons: false)
    try drain()
    kernel.readAll()
    try drain()
    kernel.flush()
    try drain()
    try expectNothingLeft()
  }

  private func expectNothingLeft() throws(Violation) {
    let held = relay.counters.requestsHeld.load(ordering: .relaxed)
    let unflushed = relay.counters.unflushedBytes.load(ordering: .relaxed)
    guard held == 0, unflushed == 0 else {
      throw Violation("the relay still has \(held) requests, and \(unflushed) unflushed bytes")
    }
    let answered = relay.counters.requestsAnswered.load(ordering: .relaxed)
    guard kernel.answeredCount == answered else {
      throw Violation("the relay counts \(answered) answers instead of \(kernel.answeredCount)")
    }
  }

  /// Gives the export up: every request fails, and the server is asked for nothing any more.
  private func abandon() throws(Violation) {
    kernel.isFailing = true
    command("abandon") { relay.abandon() }
    try look(0)
    let before = server.requestCount
    var random = SplitMix(seed: plan.seed)
    var limit = TimeLimit(30_000_000)
    var rounds = 0
    while rounds < 4 || kernel.awaitedCount > 0 {
      if rounds < 4 {
        try connect(Int.random(in: 0..<plan.connectionCount, using: &random), &random)
        kernel.submit(&random)
        rounds += 1
      }
      _ = try server.serve(&random)
      try look(rounds < 4 ? 0 : 5)
      guard !limit.isOver() else {
        throw Violation("\(kernel.awaitedCount) requests wait although the export is abandoned")
      }
    }
    guard server.requestCount == before else {
      throw Violation("the server is sent something although the export is abandoned")
    }
    try expectNothingLeft()
  }

  /// Whether a connection can be made, also if the report was taken for that of an earlier one.
  private func isAvailable(_ connection: Int) -> Bool {
    guard let played = connections[connection].played, !connections[connection].isDown else {
      return true
    }
    return Clocks.monotonic - 500_000 > played.closedAt
  }

  /// Serves well until every request is answered.
  private func drain() throws(Violation) {
    var random = SplitMix(seed: plan.seed)
    var limit = TimeLimit(60_000_000)
    while true {
      for connection in connections.indices where isAvailable(connection) {
        try connect(connection, &random)
      }
      _ = try server.serve(&random)
      server.deliverAll()
      try look(0)
      // Nothing more can come of these.
      let isOver = server.connections.allSatisfy { $0.held.isEmpty && !$0.isGivenUp }
      if kernel.awaitedCount == 0, isOver { return }
      guard !limit.isOver() else {
        throw Violation("\(kernel.awaitedCount) requests are not answered")
      }
      if isIdle { try look(20) }
    }
  }
}
