// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A rule of docs/model that a test can take out, to show what it is for.
///
/// Only builds with the condition TEST_SWITCHES can: in a release no rule can be switched off.
package enum Rule: String, Sendable, CaseIterable {
  /// What is acknowledged and not flushed is kept.
  case keep
  /// A flush that fails ends the connections also while a write is under way and nothing is kept.
  case fail
  /// A durable write that fails, or is lost, counts as a flush that did.
  case failDurable
  /// A durable write is acknowledged only once nothing that is kept can undo it.
  case durable
  /// What a connection carried is sent again only when the server is done with that connection.
  case drain
}

extension DeviceRelay.Settings {
  /// Whether the relay follows a rule.
  func holds(_ rule: Rule) -> Bool {
    #if TEST_SWITCHES
      !without.contains(rule)
    #else
      true
    #endif
  }
}
