// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import CGnuTLS
internal import Glibc
package import Linux

/// Receiving and sending without waiting, for a thread that waits for several things at once.
extension Session {
  /// The most bytes that one record carries.
  static let recordByteCount = 16384

  // MARK: receiving

  /// Receives what there is, at most `count` bytes: 0 at the end of the session, nil if nothing has come.
  package func receive(
    into region: Region, at place: Int, _ count: Int
  ) throws(TLSError) -> Int? {
    try unsafe receive(
      into: UnsafeMutableRawBufferPointer(start: region.pointer(place, count), count: count))
  }

  /// The same for any place.
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
      // Nothing has come, or a record without content, or a wish for a new handshake, which may be
      // left unheard (RFC 5246, *Hello Request*), or a warning. Behind these there may be more that
      // the socket does not tell of; what it does tell of can wait: a peer could go on for ever.
      case let code where gnutls_error_is_fatal(code) == 0:
        if intake.isEmpty { return nil }
        intake.mayAsk = false
      case let code:
        throw error(gnutls: code, from: "recv", errno: errno, isJudged: hasReceived)
      }
    }
  }

  /// Whether there may be something to receive although the socket has nothing.
  package var hasMore: Bool {
    unsafe !intake.isEmpty || gnutls_record_check_pending(handle) > 0
  }

  // MARK: sending

  /// Takes bytes of the parts as long as there is room for them, and returns how many; nil if none.
  ///
  /// What was taken last may still be here: it leaves with the next call, also with one without parts.
  package func send(_ parts: Gather) throws(TLSError) -> Int? {
    var taken = 0
    while true {
      let hasLeft = try flush()
      if hasLeft, taken == parts.byteCount { return taken }
      // While the socket takes nothing, records are made for when it does.
      let limit = hasLeft ? RecordSink.batchByteCount : .max
      while taken < parts.byteCount, outlet.count < limit, outlet.hasRoom {
        let bytes = unsafe parts.bytes(from: taken, orCopiedTo: outlet.record)
        guard let part = try unsafe makeRecord(bytes) else { return taken == 0 ? nil : taken }
        taken += part
      }
      if !hasLeft { return taken == 0 ? nil : taken }
    }
  }

  /// Whether something that was taken is still here.
  package var isSending: Bool { !outlet.isEmpty }

  /// Makes a record of some bytes, or of the first of them, and returns of how many.
  ///
  /// Nil if the same bytes have to be given again later.
  private func makeRecord(_ bytes: UnsafeRawBufferPointer) throws(TLSError) -> Int? {
    let part = unsafe gnutls_record_send(handle, bytes.baseAddress, bytes.count)
    let errno = Glibc.errno
    switch CInt(clamping: part) {
    case 0...: return part
    case GNUTLS_E_AGAIN, GNUTLS_E_INTERRUPTED: return nil
    // What the server thinks of the client is for `farewell` to find out.
    case let code: throw error(gnutls: code, from: "send", errno: errno, isJudged: true)
    }
  }

  /// Sends what the socket takes of the records; whether that is all.
  func flush() throws(TLSError) -> Bool {
    do throws(SystemError) {
      return try outlet.flush()
    } catch {
      throw self.error(
        gnutls: GNUTLS_E_PUSH_ERROR, from: "send", errno: error.errno, isJudged: true)
    }
  }
}
