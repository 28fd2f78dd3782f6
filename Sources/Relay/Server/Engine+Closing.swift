// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Transport

/// A connection that was given up while the server had requests from it.
struct ClosingConnection {
  let stream: ServerStream
  let lane: Int
  /// Writes of the kernel that were on it: they are sent again when it is over.
  var waiting = SlotList()
  /// How many requests the server may still execute that could undo what comes later.
  let changeCount: Int
  /// One of these was answered with an error meanwhile, so what comes after it must wait as well.
  var hasRefused = false
  /// The connection failed, so its end says nothing about the server.
  var isReset: Bool
  /// When sending ends, if nothing comes until then; in microseconds of the monotonic clock.
  var quietAt: Int64
  /// When it counts as over, whatever the server does.
  let end: Int64
  var isHalfClosed = false
}

/// Rule `drain`: what a connection carried is sent again only when the server is done with it.
///
/// A server that is alive executes what it has received, also when its client has gone. A write that is
/// executed so late would undo what was written to the same place in the meantime. So the connection is
/// read until the server has nothing more to say, closed for sending, and read to its end, which a server
/// brings about when it has executed or dropped everything.
///
/// No reply is taken there (rule `once`). Connections without writes are ended in the same way, because
/// nbdkit 1.32 aborts if a client vanishes in the middle of requests, but nothing waits for them.
extension Engine {
  /// A server that does not end the connection within this time is taken to be out of reach.
  private static let longestEnd = Duration.seconds(5)

  private var quiet: Int64 { settings.quietTime.milliseconds * 1000 }

  static func closingLimit(_ connectionCount: Int) -> Int { 2 * connectionCount }

  /// Something that was on a connection may still be executed.
  var hasUnfinishedChanges: Bool { closing.contains { $0.changeCount > 0 } }

  /// Begins to end a connection, and answers the requests that do not wait for its end.
  mutating func beginClosing(
    _ lane: Int, _ stream: ServerStream, _ sent: inout SlotList
  ) -> SlotList {
    guard settings.holds(.drain), !sent.isEmpty || lanes[lane].left > 0 else {
      shutDownSocket(stream.socket.descriptor)
      return sent
    }
    var (changeCount, waiting, others) = (0, SlotList(), SlotList())
    while !sent.isEmpty {
      let index = slots.removeFirst(of: &sent)
      // A flush that fails late, and unheard, spoils what was written since.
      if slots[index].command.changesData || slots[index].command == .flush { changeCount += 1 }
      if slots[index].command.changesData, slots[index].isFromKernel, isAwaited(index) {
        slots[index].state = .closing
        slots.append(index, to: &waiting)
      } else {
        slots.append(index, to: &others)
      }
    }
    let time = min(Self.longestEnd, settings.requestTimeout)
    // As many as there are lanes can be lost again before the first ends: the oldest has had its time.
    if closing.count == Self.closingLimit(lanes.count) { finishClosing(0, isCertain: false) }
    closing.append(
      ClosingConnection(
        stream: stream, lane: lane, waiting: waiting, changeCount: changeCount,
        isReset: lanes[lane].hasFailed, quietAt: now + quiet,
        end: now + time.milliseconds * 1000))
    return others
  }

  /// Reads what servers still say on connections that were given up, and ends those that are over.
  mutating func drain() {
    var place = 0
    while place < closing.count {
      if let isCertain = isOver(place) {
        finishClosing(place, isCertain: isCertain)
      } else {
        place += 1
      }
    }
    beginFirst()
  }

  /// When `drain` has something to do although nothing comes.
  func nextEnd() -> Int64? {
    closing.lazy.map { $0.isHalfClosed ? $0.end : min($0.quietAt, $0.end) }.min()
  }

  /// Whether a connection is over, and the server with it; nil if not.
  private mutating func isOver(_ place: Int) -> Bool? {
    let socket = closing[place].stream.socket.descriptor
    do throws(SystemError) {
      for _ in 0..<64 {
        guard let count = try socket.receive(into: waste, at: 0, waste.byteCount) else { break }
        guard count > 0 else { return !closing[place].isReset }
        closing[place].quietAt = now + quiet
      }
    } catch {
      return false
    }
    if now >= closing[place].end { return false }
    if now >= closing[place].quietAt, !closing[place].isHalfClosed {
      closing[place].isHalfClosed = true
      endSending(socket)
    }
    return nil
  }

  private mutating func finishClosing(_ place: Int, isCertain: Bool) {
    var old = closing.remove(at: place)
    isStirred = true
    // What the server has not got yet it shall not get.
    if isCertain { shutDownSocket(old.stream.socket.descriptor) } else { old.stream.socket.abort() }
    if !isCertain, old.changeCount > 0 {
      report(.unconfirmed(connection: old.lane, changes: old.changeCount))
    }
    putBack(&old.waiting)
  }

  /// Answers with errors what waits for the end of a connection, if it is wanted so.
  mutating func refuseClosing(where isUnwanted: (Slot) -> Bool) {
    for place in closing.indices {
      var (list, others) = (closing[place].waiting, SlotList())
      while !list.isEmpty {
        let index = slots.removeFirst(of: &list)
        if isUnwanted(slots[index]) {
          closing[place].hasRefused = true
          refuse(index)
        } else {
          slots.append(index, to: &others)
        }
      }
      closing[place].waiting = others
    }
  }
}
