// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

@testable internal import NBD
internal import TestSupport
internal import Testing

@testable import nbdctl
internal import Varlink

/// What `list`, `info` and `map` print about a server, as files in Tests/Golden.
struct GoldenServerTests {
  private let server: URI
  private let export: Export

  init() throws {
    server = try URI(parsing: "nbd://storage.example/")
    export = Export(
      name: "db", sizeBytes: 1_610_612_736, flags: [.hasFlags, .sendFlush, .sendFUA],
      blockSizes: BlockSizes(minimum: 512, preferred: 4096, maximumPayload: 32 << 20),
      canonicalName: "database", description: "the database")
  }

  @Test func `the exports of a server`() throws {
    var exports = ["", "db", "odd\u{1b}"].map { ListedExport(nameBytes: Array($0.utf8)) }
    exports[0].descriptionBytes = Array("what is served by default".utf8)
    exports[1].information = .success(export)
    exports[1].contexts = ["base:allocation"]
    let text = ListReport.text(exports, on: server)
    let json = ListReport.json(exports, on: server).indentedText
    let output = "\(text)\n\(ListReport.text([], on: server))\n\(json)\n"
    #expect(Golden.difference(output, from: "list.txt") == nil)
  }

  @Test func `an export in full`() throws {
    let told = Description(
      export: export, handshake: .fixedNewstyle, replies: .extended,
      contexts: ["base:allocation", "qemu:dirty-bitmap:b0"], isSecure: true, notes: ["a note"])
    var uri = server
    uri.exportName = "db"
    var report = InfoReport(
      told: told, uri: uri, server: "10.0.0.7:10809", encryption: "TLS 1.3, AES-256-GCM")
    report.content = "ext4 filesystem data"
    let output = "\(report.text)\n\(report.json.indentedText)\n"
    #expect(Golden.difference(output, from: "info.txt") == nil)
  }

  @Test func `the extents of an export`() {
    let mib: UInt64 = 1 << 20
    let extents: [(UInt64, UInt64)] = [
      (0, 0), (mib, 3), (6 * mib, 2), (8 * mib, 2), (9 * mib, 0), (15 * mib + 512, 3),
    ]
    var output = ""
    for form in [ExtentMap.Form.table, .json] {
      for context in ["base:allocation", "qemu:allocation-depth", "x-other:context"] {
        output += map(extents, context, size: 16 * mib, form) + "\n"
      }
    }
    output += map([], "base:allocation", size: 0, .table)
    #expect(Golden.difference(output, from: "map.txt") == nil)
  }

  /// A map of extents, each of which reaches to the next.
  private func map(
    _ extents: [(offset: UInt64, flags: UInt64)], _ context: String, size: UInt64,
    _ form: ExtentMap.Form
  ) -> String {
    var map = ExtentMap(context, size: size, form)
    var text = map.head
    let ends = extents.dropFirst().map(\.offset) + [size]
    for (extent, end) in zip(extents, ends) {
      text += map.add(
        Extent(offset: extent.offset, length: end - extent.offset, flags: extent.flags))
    }
    return text + map.finish()
  }
}
