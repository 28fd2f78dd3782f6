// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import CGnuTLS
internal import Glibc
package import Kernel

/// Receiving and sending without waiting, for a thread that waits for several things at once.
///
/// After the negotiation: the server has taken the client for good.
extension Session {
  /// The most bytes that one record carries.
  package static let recordByteCount = 16384

  /// Receives what there is, at most `count` bytes: 0 at the end of the session, nil if nothing has come.
  ///
  /// There may be more although the socket has nothing to read: nil is what says that there is not.
  package func receive(
    into region: Region, at place: Int, _ count: Int
  ) throws(TLSError) -> Int? {
    // Beyond so many records without content the peer has to wait until others have been looked at.
    for _ in 0..<16 {
      let part = unsafe gnutls_record_recv(handle.session, region.pointer(place, count), count)
      let errno = Glibc.errno
      switch CInt(clamping: part) {
      case 0...: return part
      case GNUTLS_E_AGAIN: return nil
      case let code where gnutls_error_is_fatal(code) == 0: continue
      case let code: throw error(code, "recv", errno, isJudged: true)
      }
    }
    return nil
  }

  /// Sends bytes, at most as many as a record carries, and answers how many; nil if the socket takes
  /// nothing now: then the same bytes have to be given again.
  package func send(_ bytes: UnsafeRawBufferPointer) throws(TLSError) -> Int? {
    let count = min(bytes.count, Session.recordByteCount)
    let part = unsafe gnutls_record_send(handle.session, bytes.baseAddress, count)
    let errno = Glibc.errno
    switch CInt(clamping: part) {
    case 0...: return part
    case GNUTLS_E_AGAIN, GNUTLS_E_INTERRUPTED: return nil
    case let code: throw error(code, "send", errno, isJudged: true)
    }
  }
}
