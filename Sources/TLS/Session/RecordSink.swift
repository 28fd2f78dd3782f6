// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import CGnuTLS
internal import Glibc
internal import Linux

/// Records that GnuTLS has made and the socket of a session has not accepted yet.
///
/// GnuTLS sends each record separately: here one system call sends many.
@safe final class RecordSink {
  /// The content of the next record, in which small parts are combined.
  let record: Region
  private let socket: StreamSocket
  private let region: Region
  /// Where the waiting bytes begin, and how many they are: past the end of the region they wrap around.
  private var start = 0
  private(set) var count = 0
  private let gather = Gather(capacity: 2)

  /// Sent when this much waits, so that the peer has something to do while more is made.
  static let batchByteCount = 64 << 10
  /// The room that a record may need, and one for new keys that GnuTLS may put before it.
  private static let roomByteCount = Session.recordByteCount + 4096

  init(_ socket: StreamSocket) throws(SystemError) {
    self.socket = socket
    region = try Region(byteCount: 128 << 10)
    record = try Region(byteCount: Session.recordByteCount)
  }

  var isEmpty: Bool { count == 0 }

  var hasRoom: Bool { count + Self.roomByteCount <= region.byteCount }

  /// Makes GnuTLS send to this sink, which must live as long as the session is used.
  func serve(_ session: gnutls_session_t) {
    var (receiving, sending): (gnutls_transport_ptr_t?, gnutls_transport_ptr_t?) = (nil, nil)
    unsafe gnutls_transport_get_ptr2(session, &receiving, &sending)
    unsafe gnutls_transport_set_ptr2(session, receiving, Unmanaged.passUnretained(self).toOpaque())
    unsafe gnutls_transport_set_push_function(session) { pointer, bytes, count in
      guard let pointer = unsafe pointer, let bytes = unsafe bytes else { return -1 }
      return unsafe Unmanaged<RecordSink>.fromOpaque(pointer).takeUnretainedValue().put(
        bytes, count)
    }
  }

  /// Sends as much as the socket accepts, and returns whether that is everything.
  func flush() throws(SystemError) -> Bool {
    while !isEmpty {
      let ahead = min(count, region.byteCount - start)
      gather.removeAll()
      gather.add(region, start, ahead)
      gather.add(region, 0, count - ahead)
      guard let part = try gather.send(over: socket.descriptor) else { return false }
      start = (start + part) % region.byteCount
      count -= part
    }
    start = 0
    return true
  }

  /// Like `send`; sets errno on failure.
  private func put(_ bytes: UnsafeRawPointer, _ size: Int) -> Int {
    guard size <= region.byteCount - count else {
      errno = EAGAIN
      return -1
    }
    let end = (start + count) % region.byteCount
    let ahead = min(size, region.byteCount - end)
    unsafe memcpy(region.pointer(end, ahead), bytes, ahead)
    unsafe memcpy(region.pointer(0, size - ahead), bytes + ahead, size - ahead)
    count += size
    return size
  }
}
