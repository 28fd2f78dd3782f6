// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The version of nbdd and nbdctl, which GetInfo returns.
package enum Version {
  package static let text = "0.2.0"
}
