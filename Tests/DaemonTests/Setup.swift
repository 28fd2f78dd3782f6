// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Linux
import TestSupport

@testable import Daemon

/// A configuration directory of a test, with real files in it.
nonisolated struct Setup: Sendable {
  let directory: TemporaryDirectory

  init() throws(SystemError) {
    directory = try TemporaryDirectory()
  }

  /// Writes a file of devices.d and answers what is read then.
  func reading(_ text: String, in name: String = "db.json") throws(SystemError) -> Configuration {
    try directory.write(text, to: "devices.d/\(name)")
    return read()
  }

  func read() -> Configuration { Configuration.read(directory.path) }

  /// The faults as nbdd prints them, without the directory's path.
  func faults(_ configuration: Configuration) -> [String] {
    configuration.problems.map { problem in
      var problem = problem
      problem.file = String(problem.file.dropFirst(directory.path.count + 1))
      return problem.description
    }
  }
}
