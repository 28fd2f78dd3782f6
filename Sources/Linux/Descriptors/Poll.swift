// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc

/// Waits until one of the descriptors is ready; returns a bit mask of those, 0 at the deadline.
///
/// Blocks; without a deadline for ever. The corresponding C function is `poll`.
func poll(
  _ descriptors: [(Descriptor, CInt)], until deadline: ContinuousClock.Instant?
) throws(SystemError) -> UInt {
  var entries = descriptors.map { pollfd(fd: $0.0.number, events: Int16($0.1), revents: 0) }
  let count = nfds_t(entries.count)
  try check("poll") {
    // Counted anew after an interruption, and rounded up, so as not to wake too early.
    let timeout = deadline.map { max(0, (ContinuousClock.now.duration(to: $0)).milliseconds) }
    return unsafe Glibc.poll(&entries, count, timeout.map { CInt(clamping: $0) } ?? -1)
  }
  return entries.indices.reduce(0) { entries[$1].revents == 0 ? $0 : $0 | 1 << UInt($1) }
}
