// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Connection
internal import Kernel
internal import NBD
internal import Varlink

/// `nbdctl info`.
struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info",
    abstract: "Show what a server tells about an export.",
    discussion: "Talks to the server directly; nbdd need not run.")

  @OptionGroup var reaching: Reaching
  @Flag(help: "Print JSON.")
  var json = false

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
    print(json ? report(told, stream).indentedText + "\n" : text(told, stream), to: 1)
  }

  private func text(_ told: Description, _ stream: ServerStream) -> String {
    let name = told.export.name.isEmpty ? "(default)" : told.export.name
    return Table.facts(
      [("server", stream.server), ("export", name)] + ExportReport.facts(told.export) + [
        ("contexts", told.contexts.isEmpty ? nil : told.contexts.joined(separator: ", ")),
        ("protocol", "\(Self.words(told.handshake)), \(told.replies) replies"),
        ("encryption", stream.encryption ?? "none"),
      ])
  }

  private func report(_ told: Description, _ stream: ServerStream) -> JSON {
    .object([
      "formatVersion": 1,
      "server": JSON(stream.server),
      "name": JSON(told.export.name),
      "description": told.export.description.map { JSON($0) },
      "export": ExportReport.json(told.export),
      "contexts": JSON(told.contexts),
      "handshake": JSON(Self.words(told.handshake)),
      "replies": JSON(told.replies.description),
      "encryption": stream.encryption.map { JSON($0) },
      "notes": JSON(told.notes),
    ])
  }

  private static func words(_ handshake: Handshake) -> String {
    switch handshake {
    case .oldstyle: "oldstyle"
    case .newstyle: "newstyle"
    case .fixedNewstyle: "fixed newstyle"
    }
  }
}
