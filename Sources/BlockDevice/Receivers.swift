// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// The threads of the kernel on which the driver receives replies, one for each socket of a device.
///
/// They belong to a workqueue of the device. If the kernel needs more than 10 ms to create them, because it is short of
/// memory or the machine is busy, the workqueue's rescuer receives for all sockets, one after the other, and therefore
/// for the first one only: requests on the others wait for ever (seen on Linux 6.1 with two processors; the code is the
/// same in 6.12).
package enum Receivers: Sendable, Equatable {
  /// Each socket has its thread.
  case complete
  /// Some have none yet.
  case starting
  /// The rescuer has taken several.
  case stuck
  /// Nothing can be seen of the kernel's threads, for example in a container.
  case invisible

  /// Looks for the threads of a device with that many sockets.
  package init(of index: Int, socketCount: Int) {
    self.init(names: Self.threadNames(), of: index, socketCount: socketCount)
  }

  /// The kernel names a worker "kworker/u5:1+nbd0-recv", and a rescuer that works "nbd0-recv+nbd0-recv" (Linux 4.18).
  init(names: [String], of index: Int, socketCount: Int) {
    let queue = "nbd\(index)-recv"
    let receiving = names.filter { $0.hasSuffix("+\(queue)") }
    let isRescued = receiving.contains { $0.hasPrefix("\(queue)+") }
    if isRescued && socketCount > 1 {
      self = .stuck
    } else if receiving.count >= socketCount {
      self = .complete
    } else {
      self = names.contains { $0.hasPrefix("kworker/") } ? .starting : .invisible
    }
  }

  private static func threadNames() -> [String] {
    Directory.names(in: "/proc").compactMap { name in
      guard name.utf8.first.map({ 48...57 ~= $0 }) == true else { return nil }
      return File.firstLine(of: "/proc/\(name)/comm")
    }
  }
}
