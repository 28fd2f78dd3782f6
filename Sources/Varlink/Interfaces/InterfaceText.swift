// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The texts of interfaces that belong to Varlink: files of the project that are built into the program.
package enum InterfaceText {
  /// The interface that every Varlink service implements.
  package static let service = String(
    decoding: PackageResources.org_varlink_service_varlink, as: UTF8.self)
}
