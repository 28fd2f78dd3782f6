// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
package import Linux
package import NBD
internal import TLS

/// Receiving and sending without waiting and without an allocation, once the negotiation is over.
extension ServerStream {
  /// Receives what there is, at most `count` bytes: 0 at the end of the stream, nil if nothing has come.
  package func receive(
    into region: Region, at place: Int, _ count: Int
  ) throws(StreamError) -> Int? {
    guard let session else {
      return try mapError(
        try socket.descriptor.receive(into: region, at: place, count), to: StreamError.failed)
    }
    return try mapError(
      try session.receive(into: region, at: place, count), to: StreamError.init(tls:))
  }

  /// Whether there may be something to receive although the socket has nothing.
  package var hasMore: Bool { session?.hasMore ?? false }

  /// Sends what the connection takes of the parts, and returns how many bytes; nil if it takes nothing
  /// now: then the same bytes have to come first the next time.
  ///
  /// A part of what it took may not have left while `isSending`: that leaves with the next call, also with
  /// one without parts.
  package func send(_ parts: Gather) throws(StreamError) -> Int? {
    guard let session else {
      return try mapError(try parts.send(over: socket.descriptor), to: StreamError.failed)
    }
    return try mapError(try session.send(parts), to: StreamError.init(tls:))
  }

  package var isSending: Bool { session?.isSending ?? false }
}
