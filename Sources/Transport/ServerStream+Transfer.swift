// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
package import Linux
package import NBD
internal import TLS

/// Receives and sends without blocking and without allocations, after the negotiation.
extension ServerStream {
  /// Receives at most `count` available bytes: 0 at the end of the stream, nil if nothing has arrived.
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

  /// Whether there may be data to receive although the socket has none.
  package var hasMore: Bool { session?.hasMore ?? false }

  /// Sends as much of the parts as the connection accepts, and returns how many bytes; nil if it accepts
  /// nothing now: then the next call must begin with the same bytes.
  ///
  /// While `isSending`, some of the accepted bytes are still buffered: the next call sends them, even one
  /// without parts.
  package func send(_ parts: Gather) throws(StreamError) -> Int? {
    guard let session else {
      return try mapError(try parts.send(over: socket.descriptor), to: StreamError.failed)
    }
    return try mapError(try session.send(parts), to: StreamError.init(tls:))
  }

  package var isSending: Bool { session?.isSending ?? false }
}
