// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import CLinux
internal import Glibc

/// Where the kernel writes, inside the system call, how many bytes a transfer has moved.
///
/// A process can be killed between a call that takes bytes off a socket and the store of their number. The
/// kernel writes the number for `recvmmsg` and `sendmmsg` itself, so that a note in memory that outlives the
/// process has it whatever happens after. All of a note is on one page.
package struct TransferNote {
  package static let byteCount = unsafe 8 + MemoryLayout<mmsghdr>.size
  private let region: Region
  private let place: Int

  package init(in region: Region, at place: Int) {
    (self.region, self.place) = (region, place)
  }

  /// The number of bytes that a transfer from that position of the stream on has moved; nil if it has not
  /// been carried out, or if it was another transfer.
  package func count(from position: UInt64) -> Int? {
    let count = UInt32(truncatingIfNeeded: region.load(place + Self.countPlace))
    return region.load(place) == position && count != .max ? Int(count) : nil
  }

  /// Prepares for a transfer from that position of the stream on.
  ///
  /// The old number is removed before the note says what the next one is about.
  fileprivate func arm(at position: UInt64) {
    guard region.load(place) != position || count(from: position) != nil else { return }
    region.store(.max, at: place + Self.countPlace)
    region.store(position, at: place)
  }

  fileprivate func fill(_ parts: UnsafeMutablePointer<iovec>, _ count: Int) {
    unsafe message.pointee.msg_hdr = msghdr()
    unsafe message.pointee.msg_hdr.msg_iov = parts
    unsafe message.pointee.msg_hdr.msg_iovlen = count
  }

  fileprivate var message: UnsafeMutablePointer<mmsghdr> {
    unsafe region.pointer(place + 8, MemoryLayout<mmsghdr>.size)
      .assumingMemoryBound(to: mmsghdr.self)
  }

  /// msg_len of the mmsghdr; the rest of that word is padding.
  private static let countPlace = unsafe 8 + MemoryLayout<msghdr>.size
}

extension Descriptor {
  /// Receives as `receive(into:at:_:)` does, with a note of the number of bytes; `position` is their place in
  /// the stream.
  ///
  /// Does not block. The corresponding C function is `recvmmsg`.
  package func receive(
    into region: Region, at place: Int, _ count: Int, noting note: TransferNote,
    from position: UInt64
  ) throws(SystemError) -> Int? {
    var part = unsafe iovec(iov_base: region.pointer(place, count), iov_len: count)
    return try unsafe withUnsafeMutablePointer(to: &part) { part throws(SystemError) in
      note.arm(at: position)
      unsafe note.fill(part, 1)
      var wasReset = false
      while true {
        #if TEST_SWITCHES
          crashPoint()
        #endif
        if unsafe recvmmsg(number, note.message, 1, CInt(MSG_DONTWAIT), nil) == 1 {
          return unsafe Int(note.message.pointee.msg_len)
        }
        switch errno {
        case EAGAIN: return nil
        case EINTR: continue
        // It is reported before the bytes that came before the reset.
        case ECONNRESET where !wasReset: wasReset = true
        case let code: throw SystemError(returned: code, by: "recvmmsg")
        }
      }
    }
  }
}

extension Gather {
  /// Sends as `send(over:)` does, with a note of the number of bytes; `position` is their place in the stream.
  ///
  /// Does not block. The corresponding C function is `sendmmsg`.
  package func send(
    over descriptor: Descriptor, noting note: TransferNote, from position: UInt64
  ) throws(SystemError) -> Int? {
    note.arm(at: position)
    unsafe note.fill(parts, count)
    while true {
      #if TEST_SWITCHES
        crashPoint()
      #endif
      let flags = CInt(MSG_DONTWAIT | MSG_NOSIGNAL)
      if unsafe sendmmsg(descriptor.number, note.message, 1, flags) == 1 {
        return unsafe Int(note.message.pointee.msg_len)
      }
      switch errno {
      case EAGAIN: return nil
      case EINTR: continue
      case let code: throw SystemError(returned: code, by: "sendmmsg")
      }
    }
  }
}
