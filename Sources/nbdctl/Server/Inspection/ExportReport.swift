// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import NBD
internal import Varlink

/// The facts of an export.
enum ExportReport {
  static func json(_ export: Export) -> JSON {
    .object([
      "sizeBytes": JSON(export.sizeBytes),
      "flags": JSON(export.flags.names),
      "canonicalName": export.canonicalName.map { JSON($0) },
      "minimumBlockBytes": export.blockSizes.map { JSON($0.minimum) },
      "preferredBlockBytes": export.blockSizes.map { JSON($0.preferred) },
      "maximumPayloadBytes": export.blockSizes.map { JSON($0.maximumPayload) },
    ])
  }

  static func facts(_ export: Export) -> [(String, String?)] {
    [
      ("size", "\(HumanReadable.size(Int64(export.sizeBytes))) (\(export.sizeBytes) bytes)"),
      ("access", export.flags.contains(.readOnly) ? "read-only" : "writable"),
      ("flags", export.flags.names.joined(separator: ", ")),
      ("canonical name", export.canonicalName == "" ? nil : export.canonicalName),
      ("description", export.description),
      (
        "block sizes",
        export.blockSizes.map {
          "\($0.minimum) at least, \($0.preferred) preferred, \($0.maximumPayload) at most"
        }
      ),
    ]
  }
}

/// Rows of cells as a table, the last column of any width.
enum Table {
  static func text(_ rows: [[String]]) -> String {
    let rows = rows.map { $0.map { shown($0) } }
    let widths = (rows.first ?? []).indices.map { column in
      rows.map { $0[column].count }.max() ?? 0
    }
    return rows.map { row in
      zip(row, widths).map { $0.padded(to: $1) }.joined(separator: "  ").trimmedRight + "\n"
    }.joined()
  }

  /// Names and values, a line each, without those that have no value.
  static func facts(_ facts: [(String, String?)]) -> String {
    let width = facts.map(\.0.count).max() ?? 0
    return facts.compactMap { name, value in
      value.map { "\(String(repeating: " ", count: width - name.count))\(name): \(shown($0))\n" }
    }.joined()
  }
}
