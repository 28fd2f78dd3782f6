// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// How far the streams from and to the kernel have got, as positions from their beginning, in bytes.
extension Record {
  private typealias Word = RecordLayout.Socket

  /// How much was received.
  func received(_ socket: SocketID) -> UInt64 {
    control.load(layout.socket(socket) + Word.received)
  }

  /// Up to where requests are accepted; beyond what was received while the data of a write is awaited.
  func parsed(_ socket: SocketID) -> UInt64 { control.load(layout.socket(socket) + Word.parsed) }

  /// How much of the answers was sent.
  func sent(_ socket: SocketID) -> UInt64 { control.load(layout.socket(socket) + Word.sent) }

  func setReceived(_ position: UInt64, _ socket: SocketID) {
    set(position, at: layout.socket(socket) + Word.received)
  }

  func setParsed(_ position: UInt64, _ socket: SocketID) {
    set(position, at: layout.socket(socket) + Word.parsed)
  }

  func setSent(_ position: UInt64, _ socket: SocketID) {
    set(position, at: layout.socket(socket) + Word.sent)
  }

  /// Notes of the transfer under way.
  func receiveNote(_ socket: SocketID) -> TransferNote {
    TransferNote(in: control, at: layout.socket(socket) + Word.receiveNote)
  }

  func sendNote(_ socket: SocketID) -> TransferNote {
    TransferNote(in: control, at: layout.socket(socket) + Word.sendNote)
  }

  /// Where bytes from that position on are in the ring of a socket.
  func ringPlace(_ position: UInt64) -> Int {
    Int(position % UInt64(RecordLayout.ringByteCount))
  }

  // MARK: the counters of the sockets

  /// Makes our end count what is received from the present position on; not during a receive.
  ///
  /// The counter is set before its base: one that has counted nothing says nothing, and the note counts.
  func resetReceiveCounter(of socket: SocketID, at end: Descriptor) {
    ConsumptionCounter(of: end).reset()
    set(received(socket), at: layout.socket(socket) + Word.receivedBase)
  }

  /// Makes the end that the kernel has count what is sent; only while the kernel has received everything.
  func resetSendCounter(of socket: SocketID, at kernelEnd: Descriptor) {
    ConsumptionCounter(of: kernelEnd).reset()
    set(sent(socket), at: layout.socket(socket) + Word.sentBase)
  }

  /// Makes both counters of a socket agree with the positions, which were set anew; only while nobody relays.
  func beginCounting(_ socket: SocketID, on pair: SocketPair) {
    resetReceiveCounter(of: socket, at: pair.ours)
    // What is on its way would be counted as well, so this counter goes on.
    set(0, at: layout.socket(socket) + Word.sentBase)
    guard let count = countedSent(socket, at: pair.kernel) else { return }
    set(sent(socket) &- count, at: layout.socket(socket) + Word.sentBase)
  }

  /// Bytes received since the counter was set, by the Record.
  func receivedSinceReset(_ socket: SocketID) -> UInt64 {
    received(socket) &- control.load(layout.socket(socket) + Word.receivedBase)
  }

  func sentSinceReset(_ socket: SocketID) -> UInt64 {
    sent(socket) &- control.load(layout.socket(socket) + Word.sentBase)
  }

  /// The position up to which was received, by the socket's own counter; nil: it does not know.
  func countedReceived(_ socket: SocketID, at end: Descriptor) -> UInt64? {
    guard let count = ConsumptionCounter(of: end).consumed, count > 0 else { return nil }
    return control.load(layout.socket(socket) + Word.receivedBase) &+ count
  }

  /// The position up to which was sent, by the counter of the kernel's end; nil: it does not know.
  func countedSent(_ socket: SocketID, at kernelEnd: Descriptor) -> UInt64? {
    let counter = ConsumptionCounter(of: kernelEnd)
    let base = control.load(layout.socket(socket) + Word.sentBase)
    // The kernel may receive in between: two equal readings are one.
    var last: UInt64?
    for _ in 0..<100 {
      guard let count = counter.consumed else { return nil }
      let sum = count &+ counter.unread
      if sum == last { return sum == 0 ? nil : base &+ sum }
      last = sum
    }
    return nil
  }
}
