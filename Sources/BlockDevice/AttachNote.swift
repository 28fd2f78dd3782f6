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
    // The disk has a number that is not reused, from Linux 5.15 on.
    let words = [
      boot, Sysfs.sequence(of: index) ?? "?", "\(thread)", startTime(of: thread) ?? "?",
    ]
    try File.write(words.joined(separator: " "), to: path(index))
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
    let noted = note.split(separator: " ").map(String.init)
    guard noted.count == 4, noted[0] == boot, noted[2] == "\(thread)" else { return false }
    guard let time = startTime(of: thread) else { return true }
    // Another thread has the number by now, and may have attached the device itself. (From Linux 6.2 on, a disconnect
    // changes the number of the disk.)
    return noted[3] != time && noted[1] == Sysfs.sequence(of: index) ?? "?"
  }

  private static func path(_ index: Int) -> String { "\(directory)/nbd\(index)" }

  private static var boot: String {
    File.firstLine(of: "/proc/sys/kernel/random/boot_id") ?? "?"
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
