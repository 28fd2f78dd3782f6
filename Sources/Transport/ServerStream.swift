// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
package import Linux
package import NBD
internal import TLS

/// A connection to a server: unencrypted at first, and under TLS from `secure` on.
///
/// Used by one thread only. The socket is closed with the last reference to it (N-185).
package final class ServerStream: ByteStream {
  package private(set) var socket: StreamSocket
  /// The address that accepted the connection.
  package let address: Address
  /// The same, as in "127.0.0.1:10809".
  package var server: String { address.description }

  private let interrupt: Wakeup?
  private let pace: Pace
  private let credentials: Credentials?
  private(set) var session: Session?
  private var deadline: ContinuousClock.Instant

  /// Connects; TCP sends small messages at once (N-014).
  init(
    to address: Address, _ pace: Pace, _ credentials: Credentials?, _ interrupt: Wakeup?
  ) throws(SocketError) {
    socket = try Self.socket(to: address, pace, interrupt)
    self.address = address
    self.interrupt = interrupt
    self.pace = pace
    self.credentials = credentials
    deadline = pace.deadline(within: pace.stepTime)
  }

  private static func socket(
    to address: Address, _ pace: Pace, _ interrupt: Wakeup?
  ) throws(SocketError) -> StreamSocket {
    let socket = try StreamSocket.connect(
      to: address, within: pace.connectTime, until: pace.end, interrupt: interrupt)
    socket.setNoDelay()
    return socket
  }

  package func restart() -> Bool {
    close()
    session = nil
    do throws(SocketError) {
      socket = try Self.socket(to: address, pace, interrupt)
      return true
    } catch {
      return false
    }
  }

  package func beginStep() {
    deadline = pace.deadline(within: pace.stepTime)
  }

  /// How many bytes must pass within the time of a step: a slow connection is not dead, but one with only
  /// an occasional byte is.
  private static let leastProgress = 64 << 10

  package func read(_ count: Int) throws(StreamError) -> [UInt8] {
    var bytes = try receive(min(count, Self.leastProgress))
    bytes.reserveCapacity(count)
    while bytes.count < count {
      beginStep()
      do throws(StreamError) {
        bytes += try receive(min(count - bytes.count, Self.leastProgress))
      } catch {
        guard case .ended(let received) = error else { throw error }
        throw .ended(received: bytes.count + received)
      }
    }
    return bytes
  }

  package func write(_ bytes: [UInt8]) throws(StreamError) {
    guard bytes.count > Self.leastProgress else { return try send(bytes) }
    for begin in stride(from: 0, to: bytes.count, by: Self.leastProgress) {
      if begin > 0 { beginStep() }
      try send(Array(bytes[begin..<min(begin + Self.leastProgress, bytes.count)]))
    }
  }

  private func receive(_ count: Int) throws(StreamError) -> [UInt8] {
    guard let session else {
      return try mapError(
        try socket.receive(count, until: deadline, pace.stepTime), to: StreamError.init(socket:))
    }
    return try mapError(
      try session.receive(count, until: deadline, pace.stepTime), to: StreamError.init(tls:))
  }

  private func send(_ bytes: [UInt8]) throws(StreamError) {
    guard let session else {
      return try mapError(
        try socket.send(bytes, until: deadline, pace.stepTime), to: StreamError.init(socket:))
    }
    do throws(TLSError) {
      try session.send(bytes, until: deadline, pace.stepTime)
    } catch {
      throw StreamError(tls: session.farewell ?? error)
    }
  }

  package var canSecure: Bool { credentials != nil }

  package func secure() throws(StreamError) {
    guard let credentials else {
      throw .handshakeFailed(reason: "there are no credentials", isPersistent: true)
    }
    do throws(TLSError) {
      session = try Session(over: socket, credentials, until: deadline, pace.stepTime)
    } catch {
      switch error {
      case .timedOut(let time): throw .timedOut(time)
      case .interrupted: throw .interrupted
      default: throw .handshakeFailed(reason: error.description, isPersistent: error.isPersistent)
      }
    }
  }

  /// How the connection is encrypted, as in "TLS 1.3, AES-256-GCM".
  package var encryption: String? { session?.description }

  /// Ends TLS in order, and then the connection both ways (N-059, N-164).
  package func close() {
    session?.close()
    socket.descriptor.shutDown()
  }
}

/// The time limits of a connection.
package struct Pace: Sendable {
  /// The limit for an address to accept.
  package var connectTime: Duration
  /// The limit for a step of the negotiation, or a message of the transmission.
  package var stepTime: Duration
  /// The deadline for all of it, if there is one.
  package var end: ContinuousClock.Instant?

  package init(
    connectTime: Duration, stepTime: Duration, end: ContinuousClock.Instant? = nil
  ) {
    self.connectTime = connectTime
    self.stepTime = stepTime
    self.end = end
  }

  func deadline(within time: Duration) -> ContinuousClock.Instant {
    let next = ContinuousClock.now + time
    return end.map { min($0, next) } ?? next
  }
}

extension StreamError {
  init(socket error: SocketError) {
    self =
      switch error {
      case .ended(let received): .ended(received: received)
      case .timedOut(let time): .timedOut(time)
      case .interrupted: .interrupted
      case .system(let error): .failed(error)
      }
  }

  init(tls error: TLSError) {
    self =
      switch error {
      case .ended(let received): .ended(received: received)
      case .timedOut(let time): .timedOut(time)
      case .interrupted: .interrupted
      case .system(let error): .failed(error)
      // With TLS 1.3 the server verifies the client after the handshake is complete on this side.
      case _ where error.isPersistent:
        .handshakeFailed(reason: error.description, isPersistent: true)
      default: .tlsFailed(reason: error.description)
      }
  }
}
