// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import CGnuTLS
internal import Glibc
internal import Linux

/// Bytes that have arrived on the socket of a session and GnuTLS has not read yet.
///
/// GnuTLS requests the five bytes before a record, and then the record: here one system call receives
/// many records.
@safe final class RecordSource {
  /// Whether to read from the socket when nothing is left here.
  var mayAsk = true
  private let socket: StreamSocket
  private let region: Region
  private var start = 0
  private var end = 0

  init(_ socket: StreamSocket) throws(SystemError) {
    self.socket = socket
    region = try Region(byteCount: 128 << 10)
  }

  var isEmpty: Bool { start == end }

  /// Makes GnuTLS receive from this source, which must live as long as the session is used.
  func serve(_ session: gnutls_session_t) {
    var (receiving, sending): (gnutls_transport_ptr_t?, gnutls_transport_ptr_t?) = (nil, nil)
    unsafe gnutls_transport_get_ptr2(session, &receiving, &sending)
    unsafe gnutls_transport_set_ptr2(session, Unmanaged.passUnretained(self).toOpaque(), sending)
    // No function to wait is set: GnuTLS never waits in a nonblocking session.
    unsafe gnutls_transport_set_pull_function(session) { pointer, place, count in
      guard let pointer = unsafe pointer, let place = unsafe place else { return -1 }
      return unsafe Unmanaged<RecordSource>.fromOpaque(pointer).takeUnretainedValue().take(
        place, count)
    }
  }

  /// Like `recv`; sets errno on failure.
  private func take(_ place: UnsafeMutableRawPointer, _ count: Int) -> Int {
    if isEmpty {
      do throws(SystemError) {
        let room = region.byteCount
        guard mayAsk, let received = try socket.descriptor.receive(into: region, at: 0, room) else {
          errno = EAGAIN
          return -1
        }
        (start, end) = (0, received)
      } catch {
        errno = error.errno
        return -1
      }
    }
    let part = min(count, end - start)
    unsafe memcpy(place, region.pointer(start, part), part)
    start += part
    return part
  }
}
