// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The interface's `MountRuntime`: the declared mount as it is.
package struct MountStatus: Structure {
  package var path = ""
  package var mounted = false
  package var failure: FailureReport?

  package static let typeName: String? = "MountRuntime"
  package static let fields: [Field<Self>] = [
    Field("path", \.path),
    Field("mounted", \.mounted),
    Field("failure", \.failure),
  ]

  package init() {}
}
