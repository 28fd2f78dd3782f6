// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Transport

/// A connection that was given up while the server still had requests from it.
struct ClosingConnection {
  /// Times are in microseconds of the monotonic clock.
  enum Stage {
    /// Sending is shut down at that time if nothing arrives before.
    case listening(until: Int64)
    /// Sending is shut down, so the server knows that nothing more will follow.
    case halfClosed
  }

  let socket: StreamSocket
  let connection: ConnectionID
  /// The caller's number for it; 0: it has none.
  let number: Int
  /// Writes of the kernel that were on it; they are sent again when it is over.
  var waiting = SlotList()
  /// How many requests the server may still execute that could undo later writes.
  let changeCount: Int
  /// One of these has failed with an error meanwhile, so later requests must wait as well.
  var hasRefused = false
  /// The connection failed, so its end says nothing about the server.
  let isReset: Bool
  var stage: Stage
  /// When it counts as over, whatever the server does; in microseconds of the monotonic clock.
  let end: Int64

  /// When it needs attention even if nothing arrives.
  var next: Int64 {
    switch stage {
    case .listening(let quietAt): min(quietAt, end)
    case .halfClosed: end
    }
  }
}

/// Rule `drain`: requests of a connection are sent again only when the server is done with it.
///
/// A server that is alive executes what it has received even after its client has disconnected. A write
/// executed that late would undo what was written to the same place in the meantime. So the relay reads
/// the connection until the server sends nothing more, shuts down sending, and reads until the server
/// closes it, which a server does when it has executed or dropped everything.
///
/// Replies there are ignored (rule `once`). Connections without writes are ended in the same way, because
/// nbdkit 1.32 aborts if a client vanishes in the middle of requests, but nothing waits for them.
extension Engine {
  /// A server that does not close the connection within this time is considered unreachable.
  private static let longestEnd = Duration.seconds(5)

  /// `quietTime` in microseconds.
  private var quiet: Int64 { settings.quietTime.milliseconds * 1000 }

  static func closingLimit(_ connectionCount: Int) -> Int { 2 * connectionCount }

  /// Whether the server may still execute changes from a connection that was given up.
  var hasUnfinishedChanges: Bool { closing.contains { $0.changeCount > 0 } }

  /// Begins to close a connection, and returns the sent requests that do not wait for its end.
  mutating func beginClosing(_ connection: ConnectionID, _ stream: ServerStream) -> SlotList {
    var sent = connections[connection].sent
    guard settings.holds(.drain), !sent.isEmpty || connections[connection].left > 0 else {
      stream.socket.descriptor.shutDown()
      release(connections[connection].number)
      return sent
    }
    var (changeCount, waiting, others) = (0, SlotList(), SlotList())
    while let slot = slots.removeFirst(of: &sent) {
      // A flush that fails late, with its reply ignored, can lose what was written since.
      if slots[slot].command.changesData || slots[slot].command == .flush { changeCount += 1 }
      if slots[slot].command.changesData, slots[slot].isFromKernel, isAwaited(slot) {
        slots[slot].state = .closing
        slots.append(slot, to: &waiting)
      } else {
        slots.append(slot, to: &others)
      }
    }
    let time = min(Self.longestEnd, settings.requestTimeout)
    // If as many connections are closing as may exist, the oldest has had its time.
    if closing.count == Self.closingLimit(connections.count) {
      finishClosing(at: 0, isCertain: false)
    }
    closing.append(
      ClosingConnection(
        socket: stream.socket, connection: connection, number: connections[connection].number,
        waiting: waiting, changeCount: changeCount,
        isReset: connections[connection].hasFailed, stage: .listening(until: now + quiet),
        end: now + time.milliseconds * 1000))
    return others
  }

  /// Begins to close the connections of a relay that has ended without closing them.
  ///
  /// It is unknown what it had sent on them.
  mutating func beginClosing(_ former: [FormerConnection]) {
    let time = min(Self.longestEnd, settings.requestTimeout)
    for connection in former.prefix(Self.closingLimit(connections.count)) {
      guard settings.holds(.drain) else {
        connection.socket.descriptor.shutDown()
        release(connection.number)
        continue
      }
      closing.append(
        ClosingConnection(
          socket: connection.socket, connection: ConnectionID(index: 0), number: connection.number,
          changeCount: max(1, changesUnderWay), isReset: false,
          stage: .listening(until: now + quiet), end: now + time.milliseconds * 1000))
    }
  }

  /// Reads what servers still send on connections that were given up, and closes those that are over.
  mutating func drain() {
    var place = 0
    while place < closing.count {
      if let isCertain = isOver(at: place) {
        finishClosing(at: place, isCertain: isCertain)
      } else {
        place += 1
      }
    }
    beginFirst()
  }

  /// When `drain` has work even if nothing arrives, in microseconds of the monotonic clock; nil if no
  /// connection is closing.
  func nextEnd() -> Int64? {
    closing.lazy.map(\.next).min()
  }

  /// Returns nil if a connection is not over, or else whether the server is certainly done with it.
  private mutating func isOver(at place: Int) -> Bool? {
    let descriptor = closing[place].socket.descriptor
    do throws(SystemError) {
      for _ in 0..<64 {
        guard let count = try descriptor.receive(into: waste, at: 0, waste.byteCount) else { break }
        guard count > 0 else { return !closing[place].isReset }
        if case .listening = closing[place].stage {
          closing[place].stage = .listening(until: now + quiet)
        }
      }
    } catch {
      return false
    }
    if now >= closing[place].end { return false }
    if case .listening(let quietAt) = closing[place].stage, now >= quietAt {
      closing[place].stage = .halfClosed
      descriptor.endSending()
    }
    return nil
  }

  private mutating func finishClosing(at place: Int, isCertain: Bool) {
    var old = closing.remove(at: place)
    isStirred = true
    // What has not reached the server yet must not reach it any more.
    if isCertain { old.socket.descriptor.shutDown() } else { old.socket.abort() }
    release(old.number)
    if !isCertain, old.changeCount > 0 {
      report(.unconfirmed(connection: old.connection.index, changes: old.changeCount))
    }
    putBack(&old.waiting)
  }
}
