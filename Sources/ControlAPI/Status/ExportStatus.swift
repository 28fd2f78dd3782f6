// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The interface's `Export`: what the server reported about the export.
package struct ExportStatus: Structure {
  package var name = ""
  package var sizeBytes: Int64 = 0
  package var unreachableBytes: Int64?
  package var flags: [String] = []
  package var minimumBlockBytes: Int64?
  package var preferredBlockBytes: Int64?
  package var maximumPayloadBytes: Int64?
  package var description: String?

  package static let typeName: String? = "Export"
  package static let fields: [Field<Self>] = [
    Field("name", \.name),
    Field("sizeBytes", \.sizeBytes),
    Field("unreachableBytes", \.unreachableBytes),
    Field("flags", \.flags),
    Field("minimumBlockBytes", \.minimumBlockBytes),
    Field("preferredBlockBytes", \.preferredBlockBytes),
    Field("maximumPayloadBytes", \.maximumPayloadBytes),
    Field("description", \.description),
  ]

  package init() {}
}
