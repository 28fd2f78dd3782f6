// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The texts of interfaces that are part of Varlink, which are files of the project and part of the program.
package enum InterfaceText {
  /// What every Varlink service implements.
  package static let service = String(
    decoding: PackageResources.org_varlink_service_varlink, as: UTF8.self)
}
