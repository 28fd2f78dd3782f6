// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The interface's `MountRuntime`: the declared mount as it is.
package struct MountStatus: Structure {
  package var path = ""
  package var mounted = false
  /// The mount unit; nil if nbdd mounts it by itself.
  package var unit: String?
  package var failure: FailureReport?

  package static let typeName: String? = "MountRuntime"
  package static let fields: [Field<Self>] = [
    Field("path", \.path),
    Field("mounted", \.mounted),
    Field("unit", \.unit),
    Field("failure", \.failure),
  ]

  package init() {}
}
