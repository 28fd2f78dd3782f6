// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc

/// Notices when a file with a given name appears in its directory.
///
/// The corresponding C function is `inotify_add_watch`.
package final class FileWatch: Sendable {
  /// Readable when something has happened in the directory.
  package let descriptor: Descriptor
  private let name: [UInt8]

  /// Watches the directory of a path; ENOENT: there is no such directory.
  package init(_ path: [UInt8]) throws(SystemError) {
    let slash = path.lastIndex(of: UInt8(ascii: "/"))
    // With the slash, so that the root has a name too.
    let directory = slash.map { Array(path[...$0]) } ?? Array("./".utf8)
    name = Array(path[(slash.map { $0 + 1 } ?? 0)...])
    let directoryName = (directory + [0]).map(CChar.init(bitPattern:))
    let flags = CInt(IN_CLOEXEC | IN_NONBLOCK)
    descriptor = Descriptor(owning: try check("inotify_init1") { inotify_init1(flags) })
    try check("inotify_add_watch") {
      unsafe inotify_add_watch(descriptor.number, directoryName, UInt32(IN_CREATE | IN_MOVED_TO))
    }
  }

  /// Reads the pending events; returns true if the name was among them.
  ///
  /// Does not block.
  package func hasAppeared() -> Bool {
    var buffer = [UInt8](repeating: 0, count: 4096)
    var found = false
    while true {
      let count = unsafe read(descriptor.number, &buffer, buffer.count)
      guard count > 0 else { return found }
      // Each event: watch, mask and cookie of 4 bytes each, the length of the name, and the name,
      // filled up with zeroes.
      var place = 0
      while place + 16 <= count {
        let length = unsafe buffer.withUnsafeBytes {
          unsafe Int($0.loadUnaligned(fromByteOffset: place + 12, as: UInt32.self))
        }
        guard place + 16 + length <= count else { break }
        let text = buffer[(place + 16)..<(place + 16 + length)]
        if text.prefix(while: { $0 != 0 }).elementsEqual(name) { found = true }
        place += 16 + length
      }
    }
  }
}
