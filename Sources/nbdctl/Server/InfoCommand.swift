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
    abstract: "Show what a server tells about an export.",
    discussion: """
      Talks to the server directly; nbdd need not run. --is and --can print nothing: the exit status is \
      0 if it is so, 2 if it is not, and another one if that is not known.
      """)

  @OptionGroup var reaching: ServerOptions
  @Flag(help: "Print the size in bytes, and nothing else.")
  var size = false
  @ArgumentParser.Option(
    name: .customLong("is"), help: "Whether the export, or the connection, is so.")
  var attribute: Attribute?
  @ArgumentParser.Option(
    name: .customLong("can"), help: "Whether that can be done with the export.")
  var ability: Ability?
  @Flag(inversion: .prefixedNo, help: "Read the beginning, for file(1) to say what it is.")
  var content = true
  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    let questions = [size, attribute != nil, ability != nil, json].filter { $0 }
    guard questions.count <= 1 else {
      throw ValidationError("--size, --is, --can and --json exclude each other")
    }
  }

  mutating func run() throws {
    let uri = try reaching.parsed()
    let stream = try reaching.connect(to: uri, isTotal: true)
    defer { stream.close() }
    var request = reaching.request(for: uri)
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

  /// What the export contains; that this cannot be found out is no failure.
  private func content(_ request: ExportRequest, _ stream: ServerStream) -> String? {
    do {
      return try Content.describe(request, over: stream)
    } catch {
      Terminal.note("what the export contains is not known: \(error)")
      return nil
    }
  }
}
