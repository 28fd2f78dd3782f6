// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The interface by which nbdd is controlled.
package enum ControlInterface {
  /// Its name, the prefix of the full names of its methods and errors.
  package static let name = "org.nbdd"

  /// Its text, a file of the project that is built into the program.
  package static let text = String(decoding: PackageResources.org_nbdd_varlink, as: UTF8.self)

  /// The socket on which nbdd listens, unless another is given.
  package static let defaultSocketPath = "/run/nbdd/org.nbdd"
}
