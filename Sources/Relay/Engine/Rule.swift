// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A rule of docs/model that a test can disable, to show what it is for.
///
/// Requires a build with the condition TEST_SWITCHES: in a release no rule can be disabled.
package enum Rule: String, Sendable, CaseIterable {
  /// Acknowledged writes are kept until they are flushed.
  case keep
  /// A failed flush ends the connections even if nothing is kept, while a write is in progress.
  case fail
  /// A durable write that fails or is lost counts as a failed or lost flush.
  case failDurable
  /// A durable write is acknowledged only when no kept write can undo it.
  case durable
  /// Requests of a connection are sent again only when the server is done with that connection.
  case drain
}

extension DeviceRelay.Settings {
  /// Whether a successor can know how far a transfer had got in this way.
  func knows(_ evidence: DeviceRelay.Evidence) -> Bool {
    #if TEST_SWITCHES
      !ignoring.contains(evidence)
    #else
      true
    #endif
  }

  /// Whether the relay follows a rule.
  func holds(_ rule: Rule) -> Bool {
    #if TEST_SWITCHES
      !without.contains(rule)
    #else
      true
    #endif
  }
}
