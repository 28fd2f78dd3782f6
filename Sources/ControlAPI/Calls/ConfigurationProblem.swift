// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The interface's `Problem`: one fault in the configuration.
package struct ConfigurationProblem: Structure {
  package var file = ""
  package var line: Int64?
  package var column: Int64?
  package var message = ""

  package static let typeName: String? = "Problem"
  package static let fields: [Field<Self>] = [
    Field("file", \.file),
    Field("line", \.line),
    Field("column", \.column),
    Field("message", \.message),
  ]

  /// The value of `file` for a fault in the context of a call.
  package static let contextFile = "context"

  package init() {}
}
