// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The texts of the interfaces, which are files of the project and part of the program.
package enum InterfaceText {
  /// How nbdd is controlled.
  package static let nbdd = String(decoding: PackageResources.org_nbdd_varlink, as: UTF8.self)

  /// What every Varlink service answers.
  package static let service = String(
    decoding: PackageResources.org_varlink_service_varlink, as: UTF8.self)
}
