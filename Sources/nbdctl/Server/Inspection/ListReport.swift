// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD
internal import Varlink

/// The exports of a server, as text and as JSON.
enum ListReport {
  static func text(_ exports: [ListedExport], on server: URI) -> String {
    guard !exports.isEmpty else { return "no exports\n" }
    let head = ["NAME", "SIZE", "ACCESS", "URI", "DESCRIPTION"]
    return Table.text([head] + exports.map { row($0, server) })
  }

  static func json(_ exports: [ListedExport], on server: URI) -> JSON {
    ["formatVersion": 1, "exports": JSON(exports.map { report($0, server) })]
  }

  private static func row(_ listed: ListedExport, _ server: URI) -> [String] {
    let uri = listed.uri(on: server)?.description ?? "-"
    let name = listed.nameBytes.isEmpty ? "(default)" : listed.name
    switch listed.information {
    case .success(let export):
      return [
        name, HumanReadable.size(Int64(export.sizeBytes)),
        export.flags.contains(.readOnly) ? "read-only" : "writable", uri,
        listed.description ?? export.description ?? "",
      ]
    case .failure(let error):
      return [name, "?", "?", uri, error.description]
    case nil:
      return [name, "-", "-", uri, listed.description ?? ""]
    }
  }

  private static func report(_ listed: ListedExport, _ server: URI) -> JSON {
    var export: Export?
    var fault: String?
    switch listed.information {
    case .success(let told): export = told
    case .failure(let error): fault = error.description
    case nil: break
    }
    return .object([
      "name": JSON(listed.name),
      "uri": listed.uri(on: server).map { JSON($0.description) },
      "description": (listed.description ?? export?.description).map { JSON($0) },
      "export": export.map(ExportReport.json),
      "contexts": listed.contexts.isEmpty ? nil : JSON(listed.contexts),
      "error": fault.map { JSON($0) },
    ])
  }
}
