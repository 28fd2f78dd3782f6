// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import TestSupport

/// The kernel's side of a device: requests out over several sockets, answers in, each exactly once.
///
/// As the kernel does it, it has no two requests under way that change the same block; reads it sends as it
/// likes.
final class PlayedKernel {
  private struct Operation {
    var command: NBD.Command
    var isFUA: Bool
    /// The blocks it is for; of a flush all.
    var range: Range<Int>
    /// What was settled of them when it was asked for.
    var states: [Expectation.State]
    /// The relay may answer with an error, because it has been told so.
    var mayFail: Bool
  }

  private struct Socket {
    let descriptor: Descriptor
    var inbox: Inbox
  }

  /// How many requests were answered.
  private(set) var answeredCount = 0
  /// How many of them with an error that nobody asked the relay for.
  private(set) var errorCount = 0
  /// The relay answers what it holds with errors.
  var isFailing = false {
    didSet {
      guard isFailing else { return }
      for cookie in awaited.keys { awaited[cookie]?.mayFail = true }
    }
  }
  private var sockets: [Socket] = []
  private var awaited: [Cookie: Operation] = [:]
  private var cookies: Cookie = 0
  private let plan: Plan
  private let expectation: Expectation
  private let journal: Journal

  init(
    _ descriptors: [Descriptor], _ plan: Plan, _ expectation: Expectation, _ journal: Journal
  ) throws(SystemError) {
    for descriptor in descriptors {
      sockets.append(Socket(descriptor: descriptor, inbox: try Inbox()))
    }
    self.plan = plan
    self.expectation = expectation
    self.journal = journal
  }

  private var nature: PlayedServer.Nature { plan.nature }
  var awaitedCount: Int { awaited.count }
  var descriptors: [Descriptor] { sockets.map(\.descriptor) }

  // MARK: requests

  /// Asks for anything.
  func submit(_ random: inout SplitMix) {
    let count = min(Int.random(in: 1...4, using: &random), expectation.blockCount)
    let first = Int.random(in: 0...(expectation.blockCount - count), using: &random)
    let range = first..<(first + count)
    var command = Plan.pick(plan.mix, &random)
    if command == .flush, !nature.offersFlush { command = .read }
    if command.changesData, expectation.isChanging(range) { command = .read }
    let isFUA =
      command.changesData && nature.offersFUA && Int.random(in: 0..<6, using: &random) == 0
    let socket = Int.random(in: 0..<sockets.count, using: &random)
    submit(command, command == .flush ? 0..<expectation.blockCount : range, isFUA, socket)
  }

  func flush() {
    if nature.offersFlush { submit(.flush, 0..<expectation.blockCount, false, 0) }
  }

  func readAll() { submit(.read, 0..<expectation.blockCount, false, 0) }

  private func submit(_ command: NBD.Command, _ range: Range<Int>, _ isFUA: Bool, _ socket: Int) {
    cookies += 1
    let hasRange = command != .flush
    let header = RequestHeader(
      command: command.rawValue, flags: isFUA ? .fua : [], cookie: cookies,
      offset: hasRange ? UInt64(range.lowerBound * Content.blockBytes) : 0,
      length: hasRange ? UInt64(range.count * Content.blockBytes) : 0)
    var bytes = header.bytes(.simple)
    let states = command.changesData ? [] : expectation.states(range)
    awaited[cookies] = Operation(
      command: command, isFUA: isFUA, range: range, states: states, mayFail: isFailing)
    journal.note("request \(cookies): \(command) \(range)" + (isFUA ? " FUA" : ""))
    if command.changesData {
      let words = expectation.begin(range, isWrite: command == .write)
      if command == .write { for word in words { Content.append(word, to: &bytes) } }
    }
    sockets[socket].descriptor.sendAll(bytes)
  }

  // MARK: answers

  /// Takes the answers that have come on a socket.
  func receive(_ socket: Int) throws(Violation) {
    sockets[socket].inbox.receive(from: sockets[socket].descriptor)
    while try take(&sockets[socket].inbox) {}
    if sockets[socket].inbox.hasEnded { throw Violation("the relay has closed a socket") }
  }

  private func take(_ inbox: inout Inbox) throws(Violation) -> Bool {
    guard inbox.count >= SimpleReply.byteCount else { return false }
    let (magic, error, cookie): (UInt32, UInt32, UInt64) = inbox.region.read(
      inbox.start, SimpleReply.byteCount
    ) { ($0.number(at: 0), $0.number(at: 4), $0.number(at: 8)) }
    guard magic == 0x6744_6698 else { throw Violation("an answer that starts with \(magic)") }
    guard let operation = awaited[cookie] else {
      throw Violation("an answer to request \(cookie), which nobody awaits")
    }
    let hasData = operation.command == .read && error == 0
    let byteCount = hasData ? operation.range.count * Content.blockBytes : 0
    guard inbox.count >= SimpleReply.byteCount + byteCount else { return false }
    let place = inbox.start + SimpleReply.byteCount
    inbox.drop(SimpleReply.byteCount + byteCount)
    awaited[cookie] = nil
    answeredCount += 1
    journal.note("request \(cookie) is answered" + (error == 0 ? "" : ": error \(error)"))
    if error != 0, !operation.mayFail { errorCount += 1 }
    switch operation.command {
    case .read:
      guard error == 0 else { break }
      for (index, block) in operation.range.enumerated() {
        let start = place + index * Content.blockBytes
        let word = inbox.region.read(start, Content.blockBytes) { Content.word(in: $0, at: 0) }
        guard let word else { throw Violation("a read of block \(block) finds mixed data") }
        try expectation.checkRead(word, block, since: operation.states[index])
      }
    case .flush:
      if error == 0 {
        try expectation.promise(operation.range, operation.states, by: "flush \(cookie)")
      }
    default:
      let isCertain =
        error == 0 && !(operation.command == .trim && nature.trimsMayDoNothing)
      expectation.end(operation.range, isCertain: isCertain)
      if error == 0, operation.isFUA || !nature.offersFlush {
        let states = expectation.states(operation.range)
        try expectation.promise(operation.range, states, by: "durable write \(cookie)")
      }
    }
    return true
  }
}
