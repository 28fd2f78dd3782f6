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
    discussion: """
      Connects to the server directly, without nbdd. Ignores the export that the URI names.
      """)

  @OptionGroup var server: ServerOptions
  @Flag(help: "Print JSON.")
  var json = false

  mutating func run() throws {
    let uri = try server.parsed()
    let stream = try server.connect(to: uri, isTotal: true)
    defer { stream.close() }
    let exports: [ListedExport]
    do throws(NegotiationError) {
      exports = try NBD.listExports(security: uri.tls == nil ? .none : .required, over: stream)
    } catch {
      throw Failure(error)
    }
    if json {
      try put(ListReport.json(exports, on: uri).indentedText + "\n")
    } else {
      try put(ListReport.text(exports, on: uri))
    }
  }
}
