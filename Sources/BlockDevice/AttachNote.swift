// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc
package import Linux

/// A note in /run about each kernel device that nbdd attaches, so that the next nbdd recognises the
/// device after a crash.
///
/// The driver names only the thread that attached a device, and for a device that was attached by
/// netlink that thread has always ended: without a note, a healthy device of nbd-client would look
/// like one left by a crash.
package enum AttachNote {
  private static let directory = "/run/nbdd/attached"

  /// Records that a thread attaches a device.
  package static func write(_ index: Int, attachedBy thread: Int) throws(SystemError) {
    try Directory.create(directory)
    let text = "\(identity(index, thread)) \(startTime(of: thread) ?? "?")"
    try File.write(text, to: path(index))
  }

  /// Waits until the descriptor that an earlier call has returned, in any process, is closed.
  ///
  /// Blocks.
  package static func lock(_ index: Int) throws(SystemError) -> Descriptor {
    let file = try Descriptor.open(path(index), O_RDONLY)
    try file.lock()
    return file
  }

  /// True if it was attached by an nbdd that has ended since: what is left returns errors.
  package static func isAbandoned(_ index: Int) -> Bool {
    guard !Sysfs.isNetlink(index), let thread = Sysfs.attacher(of: index),
      let note = File.contents(of: path(index))
    else { return false }
    let identity = identity(index, thread)
    // Another thread may have the number by now.
    return note.hasPrefix("\(identity) ")
      && startTime(of: thread).map { note == "\(identity) \($0)" } != true
  }

  private static func path(_ index: Int) -> String { "\(directory)/nbd\(index)" }

  /// Identifies this boot, this disk (by a number that is not reused, from Linux 5.15 on) and this
  /// thread.
  private static func identity(_ index: Int, _ thread: Int) -> String {
    let boot = File.contents(of: "/proc/sys/kernel/random/boot_id")?.filter { $0 != "\n" } ?? "?"
    return "\(boot) \(Sysfs.sequence(of: index) ?? "?") \(thread)"
  }

  /// In clock ticks since boot; nil if there is no such thread.
  private static func startTime(of thread: Int) -> String? {
    // The name, in parentheses, may contain anything; the time is the 20th field after it (proc(5)).
    let text = File.contents(of: "/proc/\(thread)/stat")
    let fields = text.flatMap { text in
      text.lastIndex(of: ")").map { text[$0...].split(separator: " ") }
    }
    return fields.flatMap { $0.count > 20 ? String($0[20]) : nil }
  }
}
