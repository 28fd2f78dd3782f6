// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import CGnuTLS
internal import Glibc
package import Linux

/// Receives and sends without blocking, for a thread that waits for several things at once.
extension Session {
  /// The most bytes that one record carries.
  static let recordByteCount = 16384

  // MARK: receiving

  /// Receives at most `count` available bytes: 0 at the end of the session, nil if nothing has arrived.
  package func receive(
    into region: Region, at place: Int, _ count: Int
  ) throws(TLSError) -> Int? {
    try unsafe receive(
      into: UnsafeMutableRawBufferPointer(start: region.pointer(place, count), count: count))
  }

  /// The same for any memory.
  func receive(into room: UnsafeMutableRawBufferPointer) throws(TLSError) -> Int? {
    defer { intake.mayAsk = true }
    while true {
      let part = unsafe gnutls_record_recv(handle, room.baseAddress, room.count)
      let errno = Glibc.errno
      switch CInt(clamping: part) {
      case 0...:
        if part > 0 { hasReceived = true }
        if part == 0, !hasReceived, let refusal = refusalByEnd { throw refusal }
        return part
      // Nothing has arrived, or an empty record, or a request for a new handshake, which may be ignored
      // (RFC 5246, *Hello Request*), or a warning. After these there may be more that the socket does not
      // signal; what it does signal can wait, because a peer could continue forever.
      case let code where gnutls_error_is_fatal(code) == 0:
        if intake.isEmpty { return nil }
        intake.mayAsk = false
      case let code:
        throw error(gnutls: code, from: "recv", errno: errno, isJudged: hasReceived)
      }
    }
  }

  /// Whether there may be data to receive although the socket has none.
  package var hasMore: Bool {
    unsafe !intake.isEmpty || gnutls_record_check_pending(handle) > 0
  }

  // MARK: sending

  /// Accepts bytes of the parts while there is room, and returns how many; nil if none.
  ///
  /// The last of them may still be buffered: the next call sends them, even one without parts.
  package func send(_ parts: Gather) throws(TLSError) -> Int? {
    var taken = 0
    while true {
      let hasLeft = try flush()
      if hasLeft, taken == parts.byteCount { return taken }
      // While the socket accepts nothing, records are prepared for later.
      let limit = hasLeft ? RecordSink.batchByteCount : .max
      while taken < parts.byteCount, outlet.count < limit, outlet.hasRoom {
        let bytes = unsafe parts.bytes(from: taken, orCopiedTo: outlet.record)
        guard let part = try unsafe makeRecord(bytes) else { return taken == 0 ? nil : taken }
        taken += part
      }
      if !hasLeft { return taken == 0 ? nil : taken }
    }
  }

  /// Whether accepted bytes are still buffered.
  package var isSending: Bool { !outlet.isEmpty }

  /// Makes a record of as many of the bytes as fit, and returns how many.
  ///
  /// Nil if the same bytes must be passed again later.
  private func makeRecord(_ bytes: UnsafeRawBufferPointer) throws(TLSError) -> Int? {
    let part = unsafe gnutls_record_send(handle, bytes.baseAddress, bytes.count)
    let errno = Glibc.errno
    switch CInt(clamping: part) {
    case 0...: return part
    case GNUTLS_E_AGAIN, GNUTLS_E_INTERRUPTED: return nil
    // A rejection of the client by the server is left to `farewell`.
    case let code: throw error(gnutls: code, from: "send", errno: errno, isJudged: true)
    }
  }

  /// Sends as much of the records as the socket accepts, and returns whether that is everything.
  func flush() throws(TLSError) -> Bool {
    do throws(SystemError) {
      return try outlet.flush()
    } catch {
      throw self.error(
        gnutls: GNUTLS_E_PUSH_ERROR, from: "send", errno: error.errno, isJudged: true)
    }
  }
}
