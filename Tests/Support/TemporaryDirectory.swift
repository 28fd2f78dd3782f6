// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc
internal import Linux

/// A directory of its own for a test, removed with all that is in it when nobody refers to it.
package final class TemporaryDirectory: Sendable {
  package let path: String

  package init() throws(SystemError) {
    var template = Array("/tmp/nbdd-tests-XXXXXX".utf8CString)
    guard unsafe mkdtemp(&template) != nil else { throw SystemError("mkdtemp", errno) }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  deinit {
    Self.remove(path)
  }

  /// Makes a file, with the directories it needs, and answers its path.
  @discardableResult
  package func write(_ text: String, to name: String) throws(SystemError) -> String {
    let path = "\(self.path)/\(name)"
    if let slash = name.lastIndex(of: "/") { try makeDirectories("\(self.path)/\(name[..<slash])") }
    let number = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard number >= 0 else { throw SystemError("open \(path)", errno) }
    print(text, to: number)
    close(number)
    return path
  }

  private static func remove(_ path: String) {
    guard unsafe unlink(path) != 0 else { return }
    for name in names(in: path) { remove("\(path)/\(name)") }
    unsafe rmdir(path)
  }
}
