// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

#if TEST_SWITCHES
  internal import Linux
  internal import Relay

  /// What tests can switch off, in builds that are made for them.
  nonisolated enum TestSwitches {
    /// The relay's rules that NBDD_TEST_WITHOUT names, with blanks between.
    static var rulesTakenOut: Set<Rule> {
      Set(
        (Environment["NBDD_TEST_WITHOUT"] ?? "").split(separator: " ").compactMap {
          Rule(rawValue: String($0))
        })
    }

    /// Logs a warning: such a daemon must not be trusted with data.
    @MainActor static func warn() {
      let rules = rulesTakenOut.map(\.rawValue).sorted().joined(separator: ", ")
      if !rules.isEmpty {
        Journal.warning(
          "built for tests, and NBDD_TEST_WITHOUT is set: data can be lost (\(rules))")
      }
    }
  }
#endif
