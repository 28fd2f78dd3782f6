// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc

/// Moving bytes between a socket and a region without waiting and without an allocation.
extension Descriptor {
  /// Receives what there is, at most `count` bytes: 0 at the end of the stream, nil if nothing has come.
  ///
  /// Does not block. ECONNRESET: the peer has reset the connection; ETIMEDOUT: TCP has given up on
  /// the peer. The corresponding C function is `recv`.
  package func receive(
    into region: Region, at place: Int, _ count: Int
  ) throws(SystemError) -> Int? {
    while true {
      let part = unsafe recv(
        number, region.pointer(place, count), count, CInt(MSG_DONTWAIT))
      if part >= 0 { return part }
      switch errno {
      case EAGAIN: return nil
      case EINTR: continue
      case let code: throw SystemError(returned: code, by: "recv")
      }
    }
  }
}

/// Bytes in several places that are sent together, in order.
@safe package final class Gather {
  package private(set) var byteCount = 0
  package private(set) var count = 0
  private let capacity: Int
  let parts: UnsafeMutablePointer<iovec>

  package init(capacity: Int) {
    self.capacity = capacity
    unsafe parts = .allocate(capacity: capacity)
  }

  deinit {
    unsafe parts.deallocate()
  }

  package var isFull: Bool { count == capacity }

  /// Whether this many parts can be added.
  package func hasRoom(for parts: Int) -> Bool { count + parts <= capacity }

  package func removeAll() {
    byteCount = 0
    count = 0
  }

  /// Adds a range; an empty one changes nothing.
  package func add(_ region: Region, _ place: Int, _ size: Int) {
    unsafe add(UnsafeRawBufferPointer(start: region.pointer(place, size), count: size))
  }

  /// Adds bytes that stay where they are until all are removed.
  package func add(_ bytes: UnsafeRawBufferPointer) {
    precondition(!isFull, "no room for another part")
    guard bytes.count > 0 else { return }
    unsafe parts[count] = iovec(
      iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
    count += 1
    byteCount += bytes.count
  }

  /// Sends what the socket accepts, and returns the number of bytes; nil if it accepts nothing now.
  ///
  /// Does not block. EPIPE, ECONNRESET: the peer has gone; there is never a signal. The
  /// corresponding C function is `sendmsg`.
  package func send(over descriptor: Descriptor) throws(SystemError) -> Int? {
    var message = unsafe msghdr()
    unsafe message.msg_iov = parts
    unsafe message.msg_iovlen = count
    while true {
      let flags = CInt(MSG_DONTWAIT | MSG_NOSIGNAL)
      let sent = unsafe sendmsg(descriptor.number, &message, flags)
      if sent >= 0 { return sent }
      switch errno {
      case EAGAIN: return nil
      case EINTR: continue
      case let code: throw SystemError(returned: code, by: "send")
      }
    }
  }

  /// Returns bytes from a place on, at most as many as the region has: in place if they are
  /// contiguous, otherwise copied to the region.
  package func bytes(from place: Int, orCopiedTo region: Region) -> UnsafeRawBufferPointer {
    var skip = place
    var filled = 0
    for index in 0..<count where filled < region.byteCount {
      let part = unsafe UnsafeRawBufferPointer(
        start: parts[index].iov_base, count: parts[index].iov_len)
      let size = min(part.count - skip, region.byteCount - filled)
      if size <= 0 {
        skip -= part.count
        continue
      }
      let bytes = unsafe UnsafeRawBufferPointer(rebasing: part[skip..<(skip + size)])
      if filled == 0, size == region.byteCount { return unsafe bytes }
      unsafe UnsafeMutableRawBufferPointer(start: region.pointer(filled, size), count: size)
        .copyMemory(from: bytes)
      filled += size
      skip = 0
    }
    return unsafe UnsafeRawBufferPointer(start: region.pointer(0, filled), count: filled)
  }
}
