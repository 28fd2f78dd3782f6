// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base

/// A blocking connection to a server, as the negotiation sees it.
///
/// The conforming type does the I/O and keeps the deadline of the current step; a negotiation uses
/// it from one thread.
package protocol ByteStream {
  /// Begins a new step, whose deadline counts from now.
  func beginStep()

  /// Reads exactly `count` bytes, in however many pieces they come (N-012).
  func read(_ count: Int) throws(StreamError) -> [UInt8]

  /// Writes all of `bytes`.
  ///
  /// Writing to a connection that the server has closed is an error, never a signal (N-015).
  func write(_ bytes: [UInt8]) throws(StreamError)

  /// Whether `secure` can succeed at all: whether there is a TLS implementation, and credentials.
  var canSecure: Bool { get }

  /// Runs the TLS handshake as the client; after that, everything read and written is protected.
  ///
  /// Bytes that have already arrived belong to the handshake (N-051). After a failure the stream can
  /// only be closed.
  func secure() throws(StreamError)

  /// Closes the connection and opens another one to the same server, unencrypted.
  ///
  /// Returns false if that is not possible; then the stream can only be closed.
  func restart() -> Bool
}

/// Why an operation on a stream failed.
package enum StreamError: Error, Sendable, Equatable {
  /// The server closed the connection in order, after `received` of the requested bytes.
  case ended(received: Int)

  /// The deadline of the step passed; it was that long.
  case timedOut(Duration)

  /// Our own side gave up.
  case interrupted

  /// A system call failed, for instance `recv` with ECONNRESET.
  case failed(SystemError)

  /// TLS cannot continue; another connection may succeed.
  case tlsFailed(reason: String)

  /// The TLS handshake failed, for a reason that is persistent or that may go away (N-052).
  ///
  /// Reads and writes may also throw it: a server may reject the client after the handshake is complete
  /// on this side.
  case handshakeFailed(reason: String, isPersistent: Bool)
}
