// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Linux
import NBD
import Testing

@testable import Daemon

/// What other programs know nbdd's things by.
struct NameTests {
  private let root = #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined()

  @Test(
    "exports in /dev/disk/by-path",
    arguments: [
      ("nbd://storage.example.com/backup", "nbd-storage.example.com:10809-backup"),
      ("nbds://[fd00::1]:10810/", "nbd-fd00::1:10810"),
      ("nbd+unix:///a%20b?socket=/run/x.sock", #"nbd-unix:\x2frun\x2fx.sock-a\x20b"#),
      ("nbd+vsock://2/%C3%BC", #"nbd-vsock:2:10809-\xc3\xbc"#),
    ])
  func path(uri: String, name: String) throws {
    #expect(try URI(parsing: uri).pathName == name)
  }

  @Test func `a name that is too long for a file`() throws {
    #expect(try URI(parsing: "nbd://h/\(String(repeating: "x", count: 300))").pathName == nil)
  }

  @Test func `the journal's catalog explains each event, and nothing else`() throws {
    let text = try #require(File.contents(of: "\(root)/systemd/nbdd.catalog"))
    let entries = text.split(separator: "\n").filter { $0.hasPrefix("-- ") }.map { $0.dropFirst(3) }
    #expect(Set(entries.map(String.init)) == Set(Journal.Event.allCases.map(\.rawValue)))
    #expect(entries.count == Journal.Event.allCases.count)
  }
}
