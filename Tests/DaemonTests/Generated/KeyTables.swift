// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Varlink

@testable import Daemon

/// The tables of docs/configuration.md, in Markdown.
nonisolated enum KeyTables {
  static func table(_ section: KeyDescription.Section) -> String {
    let all = (Configuration.keys.map(\.description) + DeviceConfiguration.keys.map(\.description))
    let keys = all.filter { $0.section == section }.flatMap(\.flattened)
    let hasRanges = keys.contains { $0.type.range != nil }
    var columns: [(title: String, cell: (KeyDescription) -> String)] = [
      ("key", { "`\($0.name)`" }), ("type", \.type.name), ("default", defaultCell),
    ]
    if hasRanges {
      columns.append(("range", { $0.type.range.map { "\($0.low) to \($0.high)" } ?? "" }))
    }
    if section != .daemon { columns.append(("takes effect", effectCell)) }
    columns.append(("", { $0.text + ($0.details.map { " \($0)." } ?? "") }))
    let lines =
      [columns.map(\.title), columns.map { _ in "---" }]
      + keys.map { key in columns.map { $0.cell(key) } }
    return lines.map { cells in
      cells.map { $0 == "---" ? $0 : " \($0)".dropLast($0.isEmpty ? 1 : 0) + " " }
        .joined(separator: "|")
    }.map { "|\($0)|\n" }.joined()
  }

  /// The keys that a reload may change, in a paragraph of the manual.
  static var list: String {
    "\(changeableKeys.map { "`\($0)`" }.listed).".wrapped(118, prefix: "  ")
  }

  private static func defaultCell(_ key: KeyDescription) -> String {
    switch key.presence {
    case .optional(.value(let value)): "`\(value.text)`"
    case .optional(.words(let words)): words
    case .optional(nil): ""
    case .needed: "needed"
    case .neededInCalls: "the file's"
    }
  }

  private static func effectCell(_ key: KeyDescription) -> String {
    switch key.effect {
    case .atOnce: "at once"
    case .nextConnection: "next connection"
    case .nextAttach: "next attach"
    case .nextStart: "next start"
    }
  }
}
