// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The kind of failure that a server, or the path to it, has caused: for programs.
///
/// nbdctl has an exit status for each, and the control interface a type with these names.
package enum FailureKind: String, Sendable, CaseIterable {
  /// There is no connection, or it was lost.
  case unreachable
  case timedOut
  case protocolBroken
  /// The server or its certificate was refused, or the server refused us.
  case refused
  /// The request, or the configuration, cannot work with any server.
  case misconfigured
  case other
}
