// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import Varlink

/// A device's file in the configuration.
struct DeviceFile {
  let path: String
  private let directory: String

  init(name: String, directory: String) {
    self.directory = "\(directory)/devices.d"
    path = "\(self.directory)/\(name).json"
  }

  /// Its text; the first line says where it comes from.
  func text(_ content: JSON, _ origin: String) -> String {
    "// \(shown(path)): \(shown(origin))\n\(content.indentedText)\n"
  }

  func mustBeMissing() throws(Failure) {
    if File.isThere(path) { throw Failure("\(path) exists, and was left as it is", EX_CANTCREAT) }
  }

  /// Writes a file that does not exist yet.
  func create(_ content: JSON, _ origin: String = "written by nbdctl attach --save") throws(Failure)
  {
    try mustBeMissing()
    do throws(SystemError) {
      try Directory.create(directory)
      try File.write(text(content, origin), to: path, mode: 0o644)
    } catch {
      throw Failure("\(error)", error.errno == EACCES ? EX_NOPERM : EX_CANTCREAT)
    }
  }
}
