// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc

/// What a thread waits for: descriptors to become readable or writable, without an allocation.
///
/// The corresponding C function is `poll`.
@safe package final class Readiness {
  private let capacity: Int
  private let entries: UnsafeMutablePointer<pollfd>
  private var count = 0

  package init(capacity: Int) {
    self.capacity = capacity
    unsafe entries = .allocate(capacity: capacity)
  }

  deinit {
    unsafe entries.deallocate()
  }

  package func removeAll() {
    count = 0
  }

  /// Adds a descriptor, and returns its index.
  ///
  /// A descriptor without requested events is left out, so that its end does not wake the thread
  /// either; with any requested event, its end is noticed.
  package func add(
    _ descriptor: Descriptor, reading: Bool, writing: Bool, ending: Bool = false
  ) -> Int {
    precondition(count < capacity, "no room for another descriptor")
    let events = (reading ? POLLIN : 0) | (writing ? POLLOUT : 0)
    // poll(2) skips a negative number.
    let number = events == 0 && !ending ? -1 : descriptor.number
    unsafe entries[count] = pollfd(fd: number, events: Int16(events), revents: 0)
    count += 1
    return count - 1
  }

  /// Blocks until something is ready, or for at most this many milliseconds; -1: without limit.
  ///
  /// The corresponding C function is `poll`.
  package func wait(_ milliseconds: CInt) {
    // An interruption looks as if nothing were ready, which is true.
    if unsafe Glibc.poll(entries, nfds_t(count), milliseconds) < 0 {
      for index in 0..<count { unsafe entries[index].revents = 0 }
    }
  }

  /// Looks once, without blocking, and returns whether anything is ready.
  ///
  /// The corresponding C function is `poll`.
  package func poll() -> Bool {
    unsafe Glibc.poll(entries, nfds_t(count), 0) > 0
  }

  /// Whether something can be read, even if only the end of the stream or an error.
  package func isReadable(_ index: Int) -> Bool {
    unsafe entries[index].revents & Int16(POLLIN | POLLHUP | POLLERR | POLLNVAL) != 0
  }

  /// Whether the peer has stopped both sending and receiving.
  package func hasEnded(_ index: Int) -> Bool {
    unsafe entries[index].revents & Int16(POLLHUP | POLLERR | POLLNVAL) != 0
  }
}

extension Readiness {
  /// Waits until one of a few descriptors is ready; returns a bit mask of those, 0 at the deadline.
  ///
  /// Blocks; without a deadline, until one is ready. The corresponding C function is `poll`.
  static func wait(
    for descriptors: [(Descriptor, CInt)], until deadline: ContinuousClock.Instant?
  ) throws(SystemError) -> UInt {
    var entries = descriptors.map { pollfd(fd: $0.0.number, events: Int16($0.1), revents: 0) }
    let count = nfds_t(entries.count)
    try check("poll") {
      // Recalculated after an interruption, and rounded up, so as not to wake too early.
      let timeout = deadline.map { max(0, (ContinuousClock.now.duration(to: $0)).milliseconds) }
      return unsafe Glibc.poll(&entries, count, timeout.map { CInt(clamping: $0) } ?? -1)
    }
    return entries.indices.reduce(0) { entries[$1].revents == 0 ? $0 : $0 | 1 << UInt($1) }
  }
}
