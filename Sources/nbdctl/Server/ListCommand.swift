// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Linux
internal import NBD
internal import Transport
internal import Varlink

/// `nbdctl list`.
struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the exports of a server.",
    discussion: "Talks to the server directly; nbdd need not run. The URI's export does not matter."
  )

  @OptionGroup var reaching: ServerOptions
  @Flag(help: "Print JSON.")
  var json = false

  mutating func run() throws {
    let uri = try reaching.parsed()
    let stream = try reaching.connect(to: uri, isTotal: true)
    defer { stream.close() }
    let exports: [ListedExport]
    do throws(NegotiationError) {
      exports = try NBD.listExports(security: uri.tls == nil ? .none : .required, over: stream)
    } catch {
      throw Failure(error)
    }
    if json {
      let document: JSON = ["formatVersion": 1, "exports": JSON(exports.map { report($0, uri) })]
      try put(document.indentedText + "\n")
    } else if exports.isEmpty {
      try put("no exports\n")
    } else {
      let rows = [["NAME", "SIZE", "ACCESS", "URI", "DESCRIPTION"]] + exports.map { row($0, uri) }
      try put(Table.text(rows))
    }
  }

  private func row(_ listed: ListedExport, _ server: URI) -> [String] {
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

  private func report(_ listed: ListedExport, _ server: URI) -> JSON {
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
