// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base

/// A blocking connection to a server, as the negotiation sees it.
///
/// The conforming type does the I/O and keeps the deadline of the current step; a negotiation uses
/// it from one thread.
package protocol ByteStream {
  /// Says that a new step begins, whose deadline is counted from now.
  func beginStep()

  /// Reads exactly `count` bytes, in however many pieces they come (N-012).
  func read(_ count: Int) throws(StreamError) -> [UInt8]

  /// Writes all of `bytes`.
  ///
  /// Writing to a connection that the server has closed is an error, never a signal (N-015).
  func write(_ bytes: [UInt8]) throws(StreamError)

  /// Whether `secure` can succeed at all: whether there is a TLS implementation, and credentials.
  var canSecure: Bool { get }

  /// Runs the TLS handshake as the client; from then on what is read and written is protected.
  ///
  /// Bytes that have arrived already belong to the handshake (N-051). A failure leaves the stream
  /// fit for nothing but closing.
  func secure() throws(StreamError)

  /// Gives the connection up and makes another one to the same server, unencrypted.
  ///
  /// False says that this cannot be done; the stream is fit for nothing but closing then.
  func restart() -> Bool
}

/// Why a stream did not do what it was asked.
package enum StreamError: Error, Sendable, Equatable {
  /// The server closed the connection in order, after `received` of the bytes asked for.
  case ended(received: Int)

  /// The deadline of the step passed; it was that long.
  case timedOut(Duration)

  /// Our own side gave up.
  case interrupted

  /// A system call failed, for instance `recv` with ECONNRESET.
  case failed(SystemError)

  /// TLS cannot go on; another connection may fare better.
  case tlsFailed(reason: String)

  /// The TLS handshake failed, for a reason that is persistent or that may go away (N-052).
  ///
  /// Also thrown when something is read or written later: a server may judge the client when the handshake is over
  /// on this side.
  case handshakeFailed(reason: String, isPersistent: Bool)
}
