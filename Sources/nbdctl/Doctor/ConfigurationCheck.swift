// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// The configuration, as nbdd reads it.
enum ConfigurationCheck {
  static func findings(_ directory: String) -> [Finding] {
    do throws(Failure) {
      let problems = try NbddProgram.problems(in: directory)
      return problems.map { Finding($0, mend: "correct that, then nbdctl reload") }
    } catch {
      return [Finding(error.message, mend: "install nbdd, or put its directory into PATH")]
    }
  }
}
