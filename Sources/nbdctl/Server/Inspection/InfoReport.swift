// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD
internal import Varlink

/// What `info` has found out.
struct InfoReport {
  let told: Description
  let uri: URI
  let server: String
  let encryption: String?
  var content: String?

  var text: String {
    let name = told.export.name.isEmpty ? "(default)" : told.export.name
    let whereabouts = [("server", server), ("export", name), ("uri", uri.description)]
    return Table.facts(
      whereabouts + ExportReport.facts(told.export) + [
        ("contexts", told.contexts.isEmpty ? nil : told.contexts.joined(separator: ", ")),
        ("protocol", "\(handshake), \(told.replies) replies"),
        ("encryption", encryption ?? "none"),
        ("content", content),
      ])
  }

  var json: JSON {
    .object([
      "formatVersion": 1,
      "server": JSON(server),
      "uri": JSON(uri.description),
      "name": JSON(told.export.name),
      "description": told.export.description.map { JSON($0) },
      "export": ExportReport.json(told.export),
      "contexts": JSON(told.contexts),
      "handshake": JSON(handshake),
      "replies": JSON(told.replies.description),
      "encryption": encryption.map { JSON($0) },
      "content": content.map { JSON($0) },
      "notes": JSON(told.notes),
    ])
  }

  private var handshake: String {
    switch told.handshake {
    case .oldstyle: "oldstyle"
    case .newstyle: "newstyle"
    case .fixedNewstyle: "fixed newstyle"
    }
  }
}
