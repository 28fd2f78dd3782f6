// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Linux
internal import NBD
internal import Transport
internal import Varlink

/// `nbdctl info`.
struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info",
    abstract: "Show what a server reports about an export.",
    discussion: """
      Connects to the server directly, without nbdd. --is and --can print nothing: the exit status is \
      0 for yes, 2 for no, and another one if that is not known.
      """)

  @OptionGroup var server: ServerOptions
  @Flag(help: "Print only the size in bytes.")
  var size = false
  @Option(
    name: .customLong("is"),
    help: ArgumentHelp("Test a property of the export or the connection.", valueName: "PROPERTY"))
  var attribute: Attribute?
  @Option(
    name: .customLong("can"),
    help: ArgumentHelp("Test whether the server supports an operation.", valueName: "PROPERTY"))
  var ability: Ability?
  @Flag(inversion: .prefixedNo, help: "Read the beginning, and have file(1) say what it is.")
  var content = true
  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    let questions = [size, attribute != nil, ability != nil, json].filter { $0 }
    guard questions.count <= 1 else {
      throw ValidationError("--size, --is, --can and --json cannot be used together")
    }
  }

  mutating func run() throws {
    let uri = try server.parsed()
    let stream = try server.connect(to: uri, isTotal: true)
    defer { stream.close() }
    var request = server.request(for: uri)
    request.details = true
    let told: Description
    do throws(NegotiationError) {
      told = try NBD.describe(request, over: stream)
    } catch {
      throw Failure(error)
    }
    for note in told.notes { Terminal.note(note) }
    if size { return try put("\(told.export.sizeBytes)\n") }
    if let answer = attribute?.holds(for: told) ?? ability?.holds(for: told) {
      throw ExitCode(answer ? 0 : 2)
    }
    var report = InfoReport(
      told: told, uri: uri, server: stream.server, encryption: stream.encryption)
    if content { report.content = content(request, stream) }
    try put(json ? report.json.indentedText + "\n" : report.text)
  }

  /// Returns what the export contains; not being able to determine it is not a failure.
  private func content(_ request: ExportRequest, _ stream: ServerStream) -> String? {
    do {
      return try Content.describe(request, over: stream)
    } catch {
      Terminal.note("cannot find out what the export contains: \(error)")
      return nil
    }
  }
}
