// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD
internal import Transport

/// A relay that ends and leaves the device to a successor.
extension Engine {
  /// How long the requests in flight may take to complete.
  private static let longestLeave: Int64 = 1_000_000

  var outagePolicy: OutagePolicy {
    get { OutagePolicy(rawValue: record.outagePolicy) ?? .hold }
    set { record.outagePolicy = newValue.rawValue }
  }

  /// Accepts no further requests, and waits until the server is done with those that it has.
  mutating func beginLeaving() {
    guard leavingBy == nil else { return }
    leavingBy = now + Self.longestLeave
  }

  /// Whether nothing is left to wait for; asks for a flush if the successor would have something to replay.
  var mayLeave: Bool {
    mutating get {
      guard let leavingBy else { return false }
      if now >= leavingBy || !connections.contains(where: \.isInUse) { return true }
      let isBusy = slots.indices.contains {
        slots[$0].state != .free && slots[$0].state != .arriving
      }
      if isBusy || hasUnfinishedChanges { return false }
      if ledger.isEmpty || !connections.contains(where: { $0.state == .up }) { return true }
      let canFlush = connections.indices.contains { isFlushOffered(on: $0) }
      flushing.isWanted = canFlush
      return !canFlush
    }
  }

  /// Ends the connections that have nothing in flight in order, and the relay; the kernel's sockets stay open.
  ///
  /// Other connections are not shut down: whoever has another descriptor of one can wait for its end.
  mutating func leave() {
    for connection in connections.indices {
      guard let stream = connections[connection].stream,
        connections[connection].requestCount == 0
      else { continue }
      stream.beginStep()
      try? stream.write(RequestHeader.disconnect(connections[connection].replies))
      stream.close()
      release(connections[connection].number)
    }
    report(.left)
  }
}
