// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD
internal import TestSupport

/// A server with a volatile cache, which does what it is asked in any order, and only what it must.
final class PlayedServer {
  /// What stays as it is, whatever happens.
  struct Nature {
    var offersFlush = true
    var offersFUA = true
    /// An FUA write is a write and a flush, which may fail like any other.
    var flushesForFUA = false
    var trimsMayDoNothing = false
    /// It also finishes what came on a connection that the network has cut, and says so to nobody.
    var isUnreachable = false
    /// It finishes what came on a connection that the relay has given up.
    var executesLate = true
  }

  let nature: Nature
  private(set) var storage: Storage
  /// Every connection whose socket is open.
  private(set) var connections: [PlayedConnection] = []
  /// How many of the flushes, and of the other requests, that come next fail.
  var failingFlushes = 0
  var failingRequests = 0
  /// How many requests have come.
  private(set) var requestCount = 0
  /// How many requests have failed.
  private(set) var errorCount = 0
  private(set) var tally = Tally()
  private let blockCount: Int
  private let journal: Journal
  /// For how long, in microseconds, it may take to finish what it holds once the relay has given a
  /// connection up: the relay waits longer than that.
  private let latest: Int64
  /// What came on connections that were cut, and is done all the same.
  private var ghosts: [PlayedConnection.Held] = []
  /// Grows with each message.
  private var time = 0

  init(_ nature: Nature, _ expectation: Expectation, latest: Int64, _ journal: Journal) {
    self.nature = nature
    storage = Storage(expectation)
    blockCount = expectation.blockCount
    self.latest = latest
    self.journal = journal
  }

  func add(_ connection: PlayedConnection) { connections.append(connection) }

  func receive(_ connection: PlayedConnection) throws(Violation) {
    time += 1
    let before = connection.held.count
    try connection.receive(blockCount: blockCount, at: time)
    requestCount += connection.held.count - before
  }

  /// Closes what is over; answers whether there was anything.
  func sweep() -> Bool {
    let before = connections.count
    for connection in connections {
      if connection.isGivenUp || connection.isAtEnd, !mayExecute(connection), !connection.isCut,
        !connection.held.isEmpty
      {
        // Who is waited for in vain cannot be waited for.
        journal.note("connection \(connection.number) is too late")
        tally.abandoned += 1
        connection.held = []
      }
      if connection.isLeaving, connection.held.isEmpty, connection.outbox.isEmpty {
        connection.isCut = true
      }
      if connection.isAtEnd, connection.held.isEmpty { connection.deliver(connection.outbox.count) }
      let isOver =
        connection.isCut && connection.outbox.isEmpty
        || connection.isAtEnd && connection.held.isEmpty
      guard isOver || connection.isCut && connection.isAtEnd else { continue }
      journal.note("connection \(connection.number) is closed")
      connection.socket.shutDown()
      connection.closedAt = Clocks.monotonic
      connections.removeAll { $0 === connection }
    }
    return connections.count < before
  }

  // MARK: requests

  private func mayExecute(_ connection: PlayedConnection) -> Bool {
    guard !connection.isCut, nature.executesLate || !connection.isAtEnd && !connection.isGivenUp
    else { return false }
    return !connection.isGivenUp && !connection.isAtEnd
      || Clocks.monotonic - connection.usedAt < latest
  }

  /// What a given-up connection carried is done late, if it can be.
  private func isAsleep(_ connection: PlayedConnection, _ random: inout SplitMix) -> Bool {
    connection.isGivenUp && Int.random(in: 0..<6, using: &random) > 0
  }

  /// Does one request, or a part of one.
  func executeOne(_ random: inout SplitMix) throws(Violation) {
    let choices = connections.filter { connection in
      connection.held.contains { !$0.isExecuted } && !isAsleep(connection, &random)
        && mayExecute(connection)
    }
    guard let connection = choices.randomElement(using: &random),
      let index = connection.held.indices.filter({ !connection.held[$0].isExecuted })
        .randomElement(using: &random)
    else { return }
    let request = connection.held[index]
    if request.command.changesData, request.range.count > 1,
      Int.random(in: 0..<8, using: &random) == 0
    {
      journal.note("connection \(connection.number): a part of \(request.command) \(request.range)")
      for (block, word) in zip(request.range, request.words) where Bool.random(using: &random) {
        storage.put(word, block)
      }
    } else {
      try execute(connection, index, &random)
    }
  }

  /// Answers one request that has been done.
  func replyToOne(_ random: inout SplitMix) {
    let choices = connections.filter { connection in
      !connection.isCut && connection.held.contains(where: \.isExecuted)
    }
    guard let connection = choices.randomElement(using: &random),
      let index = connection.held.indices.filter({ connection.held[$0].isExecuted })
        .randomElement(using: &random)
    else { return }
    reply(connection, index, &random)
  }

  /// Lets replies of one connection arrive, or a part of them; answers whether there were any.
  func deliverSome(_ random: inout SplitMix) -> Bool {
    guard let connection = connections.filter({ !$0.outbox.isEmpty }).randomElement(using: &random)
    else {
      return false
    }
    let isAll = Int.random(in: 0..<4, using: &random) > 0
    let count =
      isAll ? connection.outbox.count : Int.random(in: 1...connection.outbox.count, using: &random)
    journal.note(
      "connection \(connection.number): \(count) of \(connection.outbox.count) bytes arrive")
    connection.deliver(count)
    return true
  }

  /// Does a change that came on a connection that was cut.
  func haunt(_ random: inout SplitMix) throws(Violation) {
    guard let index = ghosts.indices.randomElement(using: &random) else { return }
    let request = ghosts.remove(at: index)
    guard request.command.changesData else { return }
    journal.note("out of the dark: \(request.command) \(request.range)")
    _ = try change(request, &random)
  }

  func deliverAll() {
    for connection in connections { connection.deliver(connection.outbox.count) }
  }

  /// Does and answers all that has come on some connections; says whether anything is sent.
  func serve(_ random: inout SplitMix) throws(Violation) -> Bool {
    var isSent = false
    let isForAll = Bool.random(using: &random)
    for connection in connections
    where !connection.isCut && (isForAll || Bool.random(using: &random)) {
      if isAsleep(connection, &random) { continue }
      let isInOrder = Bool.random(using: &random)
      while mayExecute(connection),
        let next = connection.held.indices.filter({ !connection.held[$0].isExecuted })
          .nonEmpty
      {
        try execute(
          connection, isInOrder ? next[0] : next.randomElement(using: &random) ?? 0, &random)
      }
      while !connection.held.isEmpty, !connection.isCut {
        guard connection.held.allSatisfy(\.isExecuted) else { break }
        let places = connection.held.indices
        reply(connection, isInOrder ? 0 : places.randomElement(using: &random) ?? 0, &random)
      }
      isSent = isSent || !connection.outbox.isEmpty
      connection.deliver(connection.outbox.count)
    }
    return isSent
  }

  private func execute(_ connection: PlayedConnection, _ index: Int, _ random: inout SplitMix)
    throws(Violation)
  {
    let request = connection.held[index]
    connection.held[index].isExecuted = true
    if connection.isGivenUp, request.command != .read { tally.lateExecutions += 1 }
    if connection.isLeaving {
      connection.held[index].error = ErrorNumber.shutdown.rawValue
    } else if request.command == .flush {
      connection.held[index].error = try flush(request, &random)
    } else if failingRequests > 0 {
      failingRequests -= 1
      connection.held[index].error = fail()
    } else if request.command == .read {
      connection.held[index].words = request.range.map { storage[$0] }
    } else {
      connection.held[index].error = try change(request, &random)
    }
    let error = connection.held[index].error
    journal.note(
      "connection \(connection.number): \(request.command) \(request.range)"
        + (request.isFUA ? " FUA" : "") + (error == 0 ? "" : ", error \(error)")
        + (connection.isGivenUp ? ", late" : "")
        + (request.words.isEmpty ? "" : ": \(request.words.map(Content.name))"))
  }

  private func change(_ request: PlayedConnection.Held, _ random: inout SplitMix) throws(Violation)
    -> UInt32
  {
    let isIdle =
      request.command == .trim && nature.trimsMayDoNothing && Bool.random(using: &random)
    if !isIdle {
      for (block, word) in zip(request.range, request.words) { storage.put(word, block) }
    }
    guard request.isFUA || !nature.offersFlush else { return 0 }
    if nature.flushesForFUA {
      let error = try flush(request, &random)
      if error != 0 { return error }
    }
    try storage.store(request.range)
    return 0
  }

  private func flush(_ request: PlayedConnection.Held, _ random: inout SplitMix) throws(Violation)
    -> UInt32
  {
    if failingFlushes > 0, storage.isDirty {
      failingFlushes -= 1
      tally.failedFlushes += 1
      try storage.failToFlush(&random)
      return fail()
    }
    try storage.flush(upTo: request.arrivedAt, &random)
    return 0
  }

  private func fail() -> UInt32 {
    errorCount += 1
    return ErrorNumber.inputOutput.rawValue
  }

  private func reply(_ connection: PlayedConnection, _ index: Int, _ random: inout SplitMix) {
    let request = connection.held.remove(at: index)
    if request.command.changesData, request.error == 0 {
      storage.answered(request.range, at: time)
      time += 1
    }
    journal.note("connection \(connection.number): answers \(request.command) \(request.range)")
    connection.reply(to: request, &random)
  }

  // MARK: what befalls it

  func writeBack(_ random: inout SplitMix) throws(Violation) {
    journal.note("some of the cache is written back")
    try storage.writeBack(&random)
  }

  /// It loses its cache, or a part of it, and all connections, of which the relay learns bit by bit.
  func crash(_ random: inout SplitMix) throws(Violation) {
    if Bool.random(using: &random) { try storage.writeBack(&random) }
    journal.note("the server crashes")
    tally.crashes += 1
    storage.crash()
    for connection in connections { cut(connection, &random) }
    ghosts = []
    if Int.random(in: 0..<4, using: &random) == 0 { deliverAll() }
  }

  /// It ends one connection, and goes on.
  func cutOne(_ random: inout SplitMix) {
    guard let connection = connections.filter({ !$0.isCut }).randomElement(using: &random) else {
      return
    }
    journal.note("connection \(connection.number) is cut")
    tally.cuts += 1
    cut(connection, &random)
  }

  private func cut(_ connection: PlayedConnection, _ random: inout SplitMix) {
    connection.isCut = true
    if nature.isUnreachable { ghosts += connection.held.filter { !$0.isExecuted } }
    connection.held = []
    if Bool.random(using: &random) {
      connection.outbox.removeLast(Int.random(in: 0...connection.outbox.count, using: &random))
    }
  }

  /// It says on one connection that it is shutting down.
  func leaveOne(_ random: inout SplitMix) {
    guard
      let connection = connections.filter({ !$0.isCut && !$0.isLeaving }).randomElement(
        using: &random)
    else { return }
    journal.note("connection \(connection.number): the server is shutting down")
    tally.cuts += 1
    connection.isLeaving = true
  }

  /// What it says on one connection makes no sense any more.
  func garbleOne(_ random: inout SplitMix) {
    guard let connection = connections.filter({ !$0.isCut }).randomElement(using: &random) else {
      return
    }
    journal.note("connection \(connection.number) is garbled")
    connection.outbox += [UInt8](repeating: 0xee, count: 16)
  }
}

extension Array {
  /// The array, if it has anything.
  fileprivate var nonEmpty: Self? { isEmpty ? nil : self }
}
