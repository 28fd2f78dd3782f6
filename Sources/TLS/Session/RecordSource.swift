// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import CGnuTLS
internal import Glibc
internal import Linux

/// What has come on the socket of a session and GnuTLS has not taken yet.
///
/// GnuTLS asks for the five bytes before a record, and then for the record: here one system call brings
/// many records.
@safe final class RecordSource {
  /// Whether the socket may be asked for more when nothing is left here.
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

  /// Has GnuTLS receive from here, as long as the session is used: this has to live as long.
  func serve(_ session: gnutls_session_t) {
    var (receiving, sending): (gnutls_transport_ptr_t?, gnutls_transport_ptr_t?) = (nil, nil)
    unsafe gnutls_transport_get_ptr2(session, &receiving, &sending)
    unsafe gnutls_transport_set_ptr2(session, Unmanaged.passUnretained(self).toOpaque(), sending)
    // There is no function that waits: GnuTLS never waits in a session that does not block.
    unsafe gnutls_transport_set_pull_function(session) { pointer, place, count in
      guard let pointer = unsafe pointer, let place = unsafe place else { return -1 }
      return unsafe Unmanaged<RecordSource>.fromOpaque(pointer).takeUnretainedValue().take(
        place, count)
    }
  }

  /// Like `recv`, and says in errno what is wrong.
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
