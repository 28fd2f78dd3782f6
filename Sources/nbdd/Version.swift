// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The version of nbdd.
nonisolated enum Version {
  static let text = "0.1.0"
}
