// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc
internal import Linux

/// A directory of its own for a test, removed with all that is in it when nothing refers to it.
///
/// Its path is short, so that sockets in it can be bound.
package final class TemporaryDirectory: Sendable {
  package let path: String

  package init() throws(SystemError) {
    var template = Array("\(Environment["TMPDIR"] ?? "/tmp")/nbdd.XXXXXX".utf8CString)
    guard unsafe mkdtemp(&template) != nil else { throw SystemError("mkdtemp", errno) }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  deinit {
    Self.remove(path)
  }

  /// Creates a file, with the directories it needs, and returns its path.
  @discardableResult
  package func write(_ text: String, to name: String) throws(SystemError) -> String {
    let path = "\(self.path)/\(name)"
    if let slash = name.lastIndex(of: "/") {
      try Directory.create("\(self.path)/\(name[..<slash])")
    }
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
    let file = Descriptor(owning: try check("open \(path)") { unsafe open(path, flags, 0o644) })
    file.print(text)
    return path
  }

  private static func remove(_ path: String) {
    guard unsafe unlink(path) != 0 else { return }
    for name in Directory.names(in: path) { remove("\(path)/\(name)") }
    unsafe rmdir(path)
  }
}
