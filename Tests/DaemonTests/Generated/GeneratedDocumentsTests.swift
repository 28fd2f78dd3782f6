// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Linux
import Testing
import Varlink

@testable import Daemon

/// What the documents and the schemas say about the keys of the configuration comes from their table.
///
/// With NBDD_UPDATE_GOLDEN=1 the tests write the files instead of comparing them.
@Suite(.serialized)
struct GeneratedDocumentsTests {
  private let root = #filePath.split(separator: "/").dropLast(4).map { "/\($0)" }.joined()

  @Test func `schemas`() throws {
    try compare("config/nbdd.schema.json") { $0 = KeySchemas.daemon }
    try compare("config/device.schema.json") { $0 = KeySchemas.device }
  }

  @Test func `manual of the configuration`() throws {
    try compare("docs/configuration.md") { text in
      for section in KeyDescription.Section.allCases {
        let begin = "<!-- generated: \(section) -->\n"
        text.replace(between: begin, and: "<!-- end of generated -->", KeyTables.table(section))
      }
      text.replace(
        between: "Existing connections stay. These keys are\n", and: "\n  Changes of",
        KeyTables.list)
    }
  }

  @Test func `manual page`() throws {
    try compare("man/nbdd.8") { text in
      let end = #".\" end of generated"#
      text.replace(
        between: #".\" generated: nbdd.json"# + "\n", and: end, KeyManual.list(Configuration.keys))
      text.replace(
        between: #".\" generated: NAME.json"# + "\n", and: end,
        KeyManual.list(DeviceConfiguration.keys))
      text.replace(
        between: "keys that concern only connections:\n", and: "\nThey take effect",
        KeyManual.changeable)
    }
  }

  @Test func `control interface`() throws {
    try compare("Sources/ControlAPI/org.nbdd.varlink") { text in
      text.replace(
        between: "type Mount (\n", and: "\n)", KeyInterface.members(DeviceConfiguration.Mount.keys))
      text.replace(
        between: "type Context (\n", and: "\n)", KeyInterface.members(DeviceConfiguration.keys))
      text.replace(
        between: "what concerns only its connections:\n", and: "\n# They hold from",
        KeyInterface.changeable)
    }
  }

  @Test func `structures of the control interface`() throws {
    try compare("Sources/ControlAPI/Status/DeviceContext.swift") { text in
      text.replace(
        between: "package struct DeviceContext: Structure {\n", and: "\n\n  package static let",
        KeyStructures.properties(DeviceConfiguration.keys))
      text.replace(
        between: "\"Context\"\n  package static let fields: [Field<Self>] = [\n", and: "\n  ]",
        KeyStructures.fields(DeviceConfiguration.keys))
      text.replace(
        between: "package struct MountContext: Structure {\n", and: "\n\n  package static let",
        KeyStructures.properties(DeviceConfiguration.Mount.keys))
      text.replace(
        between: "\"Mount\"\n  package static let fields: [Field<Self>] = [\n", and: "\n  ]",
        KeyStructures.fields(DeviceConfiguration.Mount.keys))
    }
  }

  @Test func `what the schemas give as defaults and examples is accepted`() throws {
    let keys = DeviceConfiguration.keys.map(\.description)
    try accept(keys.compactMap { key in key.defaultValue.map { .init(name: key.name, value: $0) } })
    for number in 0..<(keys.map(\.examples.count).max() ?? 0) {
      try accept(
        keys.filter { $0.examples.count > number }.map {
          .init(name: $0.name, value: $0.examples[number])
        })
    }
  }

  private func accept(_ members: [JSON.Member]) throws {
    let names = members.map(\.name)
    let needed = [("name", "a"), ("uri", "nbd://a/")].filter { !names.contains($0.0) }
      .map { JSON.Member(name: $0.0, value: JSON($0.1)) }
    var reader = ConfigurationReader(JSON(.object(needed + members)), file: "a.json")
    let configuration = DeviceConfiguration(&reader, name: nil, defaults: .standard)
    #expect(configuration != nil && reader.problems == [])
  }

  /// Compares a file with what `change` makes of it, or writes that.
  private func compare(_ file: String, _ change: (inout String) -> Void) throws {
    let before = try String(decoding: File.bytes(of: "\(root)/\(file)"), as: UTF8.self)
    var after = before
    change(&after)
    guard after != before else { return }
    guard Environment["NBDD_UPDATE_GOLDEN"] == nil else {
      return try File.write(after, to: "\(root)/\(file)")
    }
    let line = zip(before.split(separator: "\n"), after.split(separator: "\n")).first { $0 != $1 }
    Issue.record(
      """
      \(file) is not what the table of keys says, first at \"\(line?.0 ?? "its end")\"; update it with \
      NBDD_UPDATE_GOLDEN=1 swift test --filter GeneratedDocuments
      """)
  }
}

extension String {
  /// Replaces what is between the first `begin` and the next `end`.
  fileprivate mutating func replace(between begin: String, and end: String, _ text: String) {
    guard let start = firstRange(of: begin)?.upperBound,
      let length = String(self[start...]).firstRange(of: end)?.lowerBound
    else {
      Issue.record("\"\(begin)\" … \"\(end)\" is not there")
      return
    }
    let rest = String(self[start...])
    self = self[..<start] + text + rest[length...]
  }

  private func firstRange(of text: String) -> Range<Index>? {
    indices.first { self[$0...].hasPrefix(text) }.map { $0..<index($0, offsetBy: text.count) }
  }
}
