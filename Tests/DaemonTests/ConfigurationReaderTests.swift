// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing

@testable import Daemon

/// Faults in a device's file: where they are, and what was expected.
struct ConfigurationReaderTests {
  private let setup: Setup

  init() throws {
    setup = try Setup()
  }

  /// A key of a device's file, what stands there, and what is said of it.
  nonisolated static let values: [(key: String, value: String, message: String)] = [
    ("name", "1", "name is an integer; expected a string"),
    (
      "name", "'web'",
      "name: the name is \"db\", as the file's; leave this out or rename the file"
    ),
    ("device", "3", "device is an integer; expected \"/dev/nbd0\" or \"nbd0\""),
    ("device", "'sda'", "device is \"sda\"; expected \"/dev/nbd0\" or \"nbd0\""),
    ("readOnly", "'yes'", "readOnly is \"yes\"; expected true or false"),
    ("readOnly", "1", "readOnly is an integer; expected true or false"),
    ("autoAttach", "[]", "autoAttach is an array; expected true or false"),
    ("mount", "'/srv'", "mount is \"/srv\"; expected an object"),
    ("mount", "{}", "mount.path is missing; expected where to mount"),
    (
      "connectTimeout", "30",
      "connectTimeout is an integer; "
        + "expected a duration from 1 ms to 60 min, as \"30s\" or \"250ms\""
    ),
    (
      "connectTimeout", "'0ms'",
      "connectTimeout is \"0ms\"; "
        + "expected a duration from 1 ms to 60 min, as \"30s\" or \"250ms\""
    ),
    (
      "negotiationTimeout", "'2h'",
      "negotiationTimeout is \"2h\"; "
        + "expected a duration from 1 ms to 60 min, as \"30s\" or \"250ms\""
    ),
    (
      "requestTimeout", "'999ms'",
      "requestTimeout is \"999ms\"; "
        + "expected a duration from 1 s to 24 h, as \"30s\" or \"250ms\""
    ),
    (
      "reconnectDelay", "'99ms'",
      "reconnectDelay is \"99ms\"; "
        + "expected a duration from 100 ms to 24 h, as \"30s\" or \"250ms\""
    ),
    (
      "reconnectDelay", "1.5",
      "reconnectDelay is a number; "
        + "expected a duration from 100 ms to 24 h, as \"30s\" or \"250ms\""
    ),
    (
      "readAhead", "'2GiB'",
      "readAhead is \"2GiB\"; expected a size of at most 1024 MiB, as \"512KiB\" or \"64MiB\""
    ),
    (
      "readAhead", "4096",
      "readAhead is an integer; expected a size of at most 1024 MiB, as \"512KiB\" or \"64MiB\""
    ),
  ]

  @Test(arguments: values)
  func `a value that makes no sense is named, with its place`(
    key: String, value: String, message: String
  ) throws {
    let configuration = try setup.reading("{ uri: \"nbd://h/x\",\n  \"\(key)\": \(value) }")
    let column = key.utf8.count + 7
    #expect(setup.faults(configuration) == ["devices.d/db.json:2:\(column): \(message)"])
    #expect(configuration.devices.isEmpty)
  }

  nonisolated static let mounts: [(value: String, place: String, message: String)] = [
    ("{ path: 'srv' }", "1:36", "mount.path is \"srv\"; expected an absolute path"),
    ("{ path: 1 }", "1:36", "mount.path is an integer; expected an absolute path"),
    (
      "{ path: '/a', type: '-t' }", "1:48",
      "mount.type is \"-t\"; expected a file system type: letters, digits and '.', '_' or '-'"
    ),
    (
      "{ path: '/a', options: 'ro' }", "1:51",
      "mount.options is \"ro\"; expected an array of strings"
    ),
    (
      "{ path: '/a', options: ['ro', 'a,b'] }", "1:58",
      "mount.options[1] is \"a,b\"; expected an option of mount(8) without a comma"
    ),
    (
      "{ path: '/a', options: [1] }", "1:52",
      "mount.options[0] is an integer; expected an option of mount(8) without a comma"
    ),
    ("{ path: '/a', check: 0 }", "1:49", "mount.check is an integer; expected true or false"),
    (
      "{ path: '/a', Type: 'ext4' }", "1:42",
      "unknown key \"mount.Type\"; did you mean \"type\"?"
    ),
  ]

  @Test(arguments: mounts)
  func `a fault in the mount is named with its path`(
    value: String, place: String, message: String
  ) throws {
    let configuration = try setup.reading("{ uri: \"nbd://h/x\", mount: \(value) }")
    #expect(setup.faults(configuration) == ["devices.d/db.json:\(place): \(message)"])
    #expect(configuration.devices.isEmpty)
  }

  nonisolated private static let known =
    DeviceConfiguration.keys.map(\.name).joined(separator: ", ")

  nonisolated static let texts: [(text: String, faults: [String])] = [
    ("{}", ["1:1: uri is missing; expected an NBD URI, as \"nbd://server.example.com/export\""]),
    (
      "[]",
      [
        "1:1: an array; expected an object",
        "1:1: uri is missing; expected an NBD URI, as \"nbd://server.example.com/export\"",
      ]
    ),
    ("{ uri: 7 }", ["1:8: uri is an integer; expected a string"]),
    (
      "{ uri: 'http://h/x' }",
      [
        "1:8: uri: the scheme has to be nbd, nbds, nbd+unix, nbds+unix, nbd+vsock or nbds+vsock"
      ]
    ),
    (
      "{ uri: 'nbds://h/x', path: 'direct' }",
      ["1:8: uri: the kernel does not speak TLS; leave \"path\": \"direct\" out"]
    ),
    (
      "{ uri: 'nbd+vsock://2/x', path: 'direct' }",
      ["1:8: uri: the kernel takes no vsock; leave \"path\": \"direct\" out"]
    ),
    ("{ uri: 'nbd://h/x',\n\n colour: 1 }", ["3:2: unknown key \"colour\"; known are \(known)"]),
    (
      "{ uri: 'nbd://h/x', readonly: true }",
      [
        "1:21: unknown key \"readonly\"; did you mean \"readOnly\"?"
      ]
    ),
    (
      "{ url: 'nbd://h/x' }",
      [
        "1:1: uri is missing; expected an NBD URI, as \"nbd://server.example.com/export\"",
        "1:3: unknown key \"url\"; did you mean \"uri\"?",
      ]
    ),
    (
      "{ uri: '10.0.0.7:10810' }",
      ["1:8: uri: '://' is expected after the scheme; did you mean nbd://10.0.0.7:10810/?"]
    ),
    // In the order of the text, not in that in which keys are looked at.
    (
      "{ readAhead: 1,\n mount: { check: 1, path: 2 }, readOnly: 3,\n uri: 4 }",
      [
        "1:14: readAhead is an integer; expected a size of at most 1024 MiB, as \"512KiB\" or \"64MiB\"",
        "2:18: mount.check is an integer; expected true or false",
        "2:27: mount.path is an integer; expected an absolute path",
        "2:42: readOnly is an integer; expected true or false",
        "3:7: uri is an integer; expected a string",
      ]
    ),
    ("{ uri: 'nbd://h/x' 1 }", ["1:20: expected ',' or '}', found '1'"]),
    (
      "{ uri: 'nbd://h/x', uri: 'nbd://h/y' }",
      [
        "1:21: 'uri' stands here a second time; it was first given in line 1"
      ]
    ),
    // Every fault is told at once.
    (
      "{ uri: 1, device: 2,\n readOnly: 3, wrong: 4 }",
      [
        "1:8: uri is an integer; expected a string",
        "1:19: device is an integer; expected \"/dev/nbd0\" or \"nbd0\"",
        "2:12: readOnly is an integer; expected true or false",
        "2:15: unknown key \"wrong\"; known are \(known)",
      ]
    ),
    // What a terminal would obey is shown as text.
    (
      "{ uri: 'nbd://h/x', \"\\u001b[2J\": 1 }",
      [
        "1:21: unknown key \"\\u{1b}[2J\"; known are \(known)"
      ]
    ),
  ]

  @Test(arguments: texts)
  func `every fault of a file is told, with its place`(text: String, faults: [String]) throws {
    let configuration = try setup.reading(text)
    #expect(setup.faults(configuration) == faults.map { "devices.d/db.json:\($0)" })
    #expect(configuration.devices.isEmpty)
  }
}
