// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Synchronization
internal import Transport

/// Receiving from the server.
extension Engine {
  /// How many bytes of its reply restart the `requestTimeout` of a request.
  private static let leastProgress = 64 << 10

  /// Receives what the server has sent; any fault in it ends the connection.
  mutating func receiveReplies(from connection: ConnectionID) {
    connections[connection].hasMore = false
    do throws(ConnectionEnd) {
      for _ in 0..<64 {
        guard try receive(from: connection) else { return }
      }
      connections[connection].hasMore = true
    } catch {
      lose(connection, error)
    }
  }

  /// Receives once and processes what is complete; returns false if nothing more has arrived.
  private mutating func receive(from connection: ConnectionID) throws(ConnectionEnd) -> Bool {
    guard let stream = connections[connection].stream else { return false }
    let count: Int?
    let room: Int
    if let data = connections[connection].data {
      // The buffer is empty: data goes where it belongs.
      room = data.left
      count = try receive(from: stream, of: connection, into: reads.region, at: data.place, room)
      if let count { try took(count, from: connection) }
    } else {
      let place: Int
      (place, room) = connections[connection].buffer.makeRoom()
      count = try receive(
        from: stream, of: connection, into: connections[connection].buffer.region, at: place, room)
      if let count { connections[connection].buffer.received(count) }
    }
    guard let count else { return false }
    counters.bytesFromServer.add(count, ordering: .relaxed)
    connections[connection].heardAt = now
    record.lastSign = bootNow
    try takeReplies(from: connection)
    // A socket that had less than there was room for is empty; a TLS session knows itself.
    return stream.hasMore || count == room || connections[connection].data != nil
  }

  private mutating func receive(
    from stream: ServerStream, of connection: ConnectionID, into region: Region, at place: Int,
    _ room: Int
  ) throws(ConnectionEnd) -> Int? {
    let count: Int?
    do {
      count = try stream.receive(into: region, at: place, room)
    } catch {
      connections[connection].hasFailed = true
      throw .connection(.receiving(error, awaiting: "a reply"))
    }
    guard count == 0 else { return count }
    if connections[connection].isShuttingDown { throw .shuttingDown }
    // The end of the stream is orderly only where a message could begin (T-022, T-023).
    let waiting = connections[connection].buffer.count
    guard waiting > 0 || connections[connection].data != nil else { throw .connection(.closed) }
    throw .connection(.receiving(.ended(received: waiting), awaiting: "the rest of a reply"))
  }

  /// Processes all complete replies.
  private mutating func takeReplies(from connection: ConnectionID) throws(ConnectionEnd) {
    while connections[connection].stream != nil {
      if let data = connections[connection].data {
        let count = min(data.left, connections[connection].buffer.count)
        guard count > 0 else { return }
        reads.region.copy(
          count, from: connections[connection].buffer.region,
          at: connections[connection].buffer.start, to: data.place)
        connections[connection].buffer.drop(count)
        try took(count, from: connection)
      } else {
        guard try takeHeader(from: connection) else { return }
      }
    }
  }

  /// Called when that many bytes of data have arrived.
  private mutating func took(
    _ count: Int, from connection: ConnectionID
  ) throws(ConnectionEnd) {
    guard var data = connections[connection].data else { return }
    data.place += count
    data.left -= count
    // An occasional byte is no progress.
    slots[data.slot].progress += count
    if slots[data.slot].progress >= Self.leastProgress {
      slots[data.slot].progress = 0
      slots[data.slot].sentAt = now
    }
    connections[connection].data = data.left == 0 ? nil : data
    if data.left == 0, data.isLast { try complete(data.slot, on: connection) }
  }
}
