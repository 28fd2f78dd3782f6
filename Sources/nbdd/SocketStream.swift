// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Kernel
internal import NBD

/// A connected socket as the negotiation wants it: with a deadline for each step.
///
/// Used by one thread only.
nonisolated final class SocketStream: ByteStream {
  private let socket: StreamSocket
  private let stepTime: Duration
  private var deadline: ContinuousClock.Instant

  init(_ socket: StreamSocket, stepTime: Duration) {
    self.socket = socket
    self.stepTime = stepTime
    deadline = .now + stepTime
  }

  func beginStep() {
    deadline = .now + stepTime
  }

  func read(_ count: Int) throws(StreamError) -> [UInt8] {
    do throws(SocketError) {
      return try socket.receive(count, until: deadline, stepTime)
    } catch {
      throw StreamError(error)
    }
  }

  func write(_ bytes: [UInt8]) throws(StreamError) {
    do throws(SocketError) {
      try socket.send(bytes, until: deadline, stepTime)
    } catch {
      throw StreamError(error)
    }
  }

  var canSecure: Bool { false }

  func secure() throws(StreamError) {
    throw .handshakeFailed(reason: "there is no TLS here", isLasting: true)
  }
}

extension StreamError {
  nonisolated init(_ error: SocketError) {
    self =
      switch error {
      case .ended(let received): .ended(received: received)
      case .timedOut(let time): .timedOut(time)
      case .interrupted: .interrupted
      case .system(let error): .failed(call: error.call, reason: error.reason)
      }
  }
}
