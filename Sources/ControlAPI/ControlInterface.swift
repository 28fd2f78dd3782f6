// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The interface by which nbdd is controlled.
package enum ControlInterface {
  /// Its text, a file of the project that is part of the program.
  package static let text = String(decoding: PackageResources.org_nbdd_varlink, as: UTF8.self)
}
