// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import CGnuTLS
package import Kernel

/// Receiving and sending without waiting, for a thread that waits for several things at once.
///
/// After the negotiation: the server has taken the client for good.
extension Session {
  /// The most bytes that one record carries.
  package static let recordByteCount = 16384

  /// Receives what there is, at most `count` bytes: 0 at the end of the session, nil if nothing has come.
  package func receive(
    into region: Region, at place: Int, _ count: Int
  ) throws(TLSError) -> Int? {
    try unsafe open(
      into: UnsafeMutableRawBufferPointer(start: region.pointer(place, count), count: count))
  }

  /// Whether there may be something to receive although the socket has nothing.
  package var hasMore: Bool {
    unsafe !intake.isEmpty || gnutls_record_check_pending(handle.session) > 0
  }

  /// Takes bytes of the parts as long as those before leave, and answers how many; nil if none, because
  /// the socket takes nothing now.
  ///
  /// What was taken last may still be here: it leaves with the next call, also with one without parts.
  package func send(_ parts: Gather) throws(TLSError) -> Int? {
    var taken = 0
    while try flush() {
      if taken == parts.byteCount { return taken }
      while outlet.hasRoom, taken < parts.byteCount {
        let bytes = unsafe parts.bytes(from: taken, orCopiedTo: outlet.record)
        guard let part = try unsafe seal(bytes) else { return taken == 0 ? nil : taken }
        taken += part
      }
    }
    return taken == 0 ? nil : taken
  }

  /// Whether something that was taken is still here.
  package var isSending: Bool { !outlet.isEmpty }
}
