// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import ControlAPI
import Glibc
import Linux
import NBD
import Testing
import TestSupport
import Varlink

@testable import Daemon

/// A whole configuration directory: which files count, and that a broken one harms no other.
@Suite(.timeLimit(.minutes(1)))
struct ConfigurationTests {
  private let setup: Setup
  private var path: String { setup.directory.path }
  nonisolated private static let sound = #"{"uri": "nbd://h/x"}"#

  init() throws {
    setup = try Setup()
  }

  private func write(_ text: String, to name: String) throws {
    try setup.directory.write(text, to: name)
  }

  @Test func `a directory that is empty configures nothing, without a fault`() {
    let configuration = setup.read()
    #expect(configuration.devices.isEmpty && configuration.problems.isEmpty)
    #expect(configuration.stopTimeout == .seconds(30))
  }

  @Test func `a directory that cannot be read is a fault, because it may have said something`()
    throws
  {
    let missing = Configuration.read("\(path)/missing")
    #expect(
      missing.problems.map(\.description)
        == ["\(path)/missing: cannot be read: No such file or directory"])
    try write("", to: "devices.d")
    #expect(setup.faults(setup.read()) == ["devices.d: cannot be read: Not a directory"])
  }

  @Test func `only files that end in json and are not hidden count`() throws {
    for name in ["a.json", ".b.json", "c.json~", "d.JSON", "e", "f.json.bak", ".json"] {
      try write(Self.sound, to: "devices.d/\(name)")
    }
    try write(Self.sound, to: "g.json")
    #expect(setup.faults(setup.read()) == [])
    #expect(setup.read().devices.keys.sorted() == ["a"])
  }

  @Test(arguments: ["a b", "-a", "a\u{FC}", "a\u{1B}[2J", String(repeating: "x", count: 65)])
  func `a file whose name is no name for a device is a fault`(name: String) throws {
    let configuration = try setup.reading(Self.sound, in: "\(name).json")
    #expect(configuration.devices.isEmpty)
    let message = try #require(configuration.problems.first?.message)
    #expect(message.hasPrefix("name: \""))
    #expect(message.hasSuffix("\" is not a name: \(DeviceConfiguration.nameRule)"))
    #expect(!message.contains("\u{1B}"))
  }

  @Test func `two files cannot have the same kernel device, the first keeps it`() throws {
    try write(#"{"uri": "nbd://h/x", "device": "nbd3"}"#, to: "devices.d/a.json")
    try write("{\"uri\": \"nbd://h/y\",\n \"device\": \"/dev/nbd3\"}", to: "devices.d/b.json")
    try write(#"{"uri": "nbd://h/z"}"#, to: "devices.d/c.json")
    try write(#"{"uri": "nbd://h/w"}"#, to: "devices.d/d.json")
    let configuration = setup.read()
    #expect(configuration.devices.keys.sorted() == ["a", "c", "d"])
    #expect(
      setup.faults(configuration) == [
        "devices.d/b.json:2:12: device: /dev/nbd3 is taken by \(path)/devices.d/a.json already; "
          + "choose another, or leave it out for any free one"
      ])
  }

  @Test(arguments: [
    ("nbd://h/x", "nbd://h:10809/x"), ("nbd://Host.example/x", "nbds://host.EXAMPLE./x"),
    ("nbd://h/a%20b", "nbd://h/%61%20b"), ("nbd://[::1]/", "nbd://[0:0::1]"),
    ("nbd://127.0.0.1/", "nbd://127.1/"), ("nbd:///x", "nbd://localhost/x"),
    ("nbd+vsock://2/x", "nbds+vsock://2:10809/x"),
    ("nbd+unix:///x?socket=/run/s", "nbds+unix:///x?socket=/run/..//run/./s&tls-hostname=h"),
    ("nbd+unix:///?socket=%00s", "nbd+unix:///?socket=%00%73"),
  ])
  func `two files cannot have one export, however it is spelled`(a: String, b: String) throws {
    try write("{\"uri\": \"\(a)\"}", to: "devices.d/a.json")
    for (mine, theirs) in [("", ""), ("shared", ""), ("", "readOnly"), ("shared", "readOnly")] {
      let terms = [mine, theirs].map { $0.isEmpty ? "" : ", \"\($0)\": true" }
      try write("{\"uri\": \"\(a)\"\(terms[0])}", to: "devices.d/a.json")
      try write("{\"uri\": \"\(b)\"\(terms[1])}", to: "devices.d/b.json")
      let configuration = setup.read()
      #expect(configuration.devices.keys.sorted() == ["a"])
      #expect(
        setup.faults(configuration) == [
          "devices.d/b.json:1:9: uri: this is the export of \(path)/devices.d/a.json already; "
            + ExportUse.remedy
        ])
    }
    for key in ["shared", "readOnly"] {
      try write("{\"uri\": \"\(a)\", \"\(key)\": true}", to: "devices.d/a.json")
      try write("{\"uri\": \"\(b)\", \"\(key)\": true}", to: "devices.d/b.json")
      #expect(setup.read().problems == [])
      #expect(setup.read().devices.count == 2)
    }
  }

  @Test(arguments: [
    ("nbd://h/x", "nbd://h/X"), ("nbd://h/x", "nbd://h:1/x"), ("nbd://h/", "nbd://h/x"),
    ("nbd://h/x", "nbd://g/x"), ("nbd+unix:///?socket=/run/s", "nbd+unix:///?socket=/run/S"),
    ("nbd+unix:///?socket=/run/s", "nbd+unix:///?socket=%00/run/s"),
  ])
  func `what is not the same export is no fault`(a: String, b: String) throws {
    try write("{\"uri\": \"\(a)\"}", to: "devices.d/a.json")
    try write("{\"uri\": \"\(b)\"}", to: "devices.d/b.json")
    #expect(setup.read().problems == [])
  }

  // MARK: precedence

  @Test func `of files of one name the first directory's counts, the others add theirs`() throws {
    for (directory, names) in [("etc", ["a"]), ("run", ["a", "b"]), ("usr", ["a", "b", "c"])] {
      for name in names {
        try write(#"{"uri": "nbd://\#(directory)/x"}"#, to: "\(directory)/devices.d/\(name).json")
      }
    }
    let configuration = Configuration.read("\(path)/etc", above: ["\(path)/run", "\(path)/usr"])
    #expect(configuration.problems.isEmpty)
    let hosts = configuration.devices.mapValues { $0.configuration.uri.transport }
    #expect(
      hosts == [
        "a": .tcp(host: "etc", port: 10809), "b": .tcp(host: "run", port: 10809),
        "c": .tcp(host: "usr", port: 10809),
      ])
    #expect(configuration.devices["c"]?.file == "\(path)/usr/devices.d/c.json")
  }

  @Test func `a broken file does not let a lower one through`() throws {
    try write("{", to: "etc/devices.d/a.json")
    try write(Self.sound, to: "usr/devices.d/a.json")
    let configuration = Configuration.read("\(path)/etc", above: ["\(path)/usr"])
    #expect(configuration.devices.isEmpty)
    #expect(configuration.problems.map(\.file) == ["\(path)/etc/devices.d/a.json"])
  }

  @Test func `settings for all devices come from the first directory only`() throws {
    try write(Self.sound, to: "etc/devices.d/a.json")
    try write(#"{"defaults": {"connectTimeout": "1s"}}"#, to: "usr/nbdd.json")
    let configuration = Configuration.read("\(path)/etc", above: ["\(path)/usr"])
    #expect(configuration.devices["a"]?.configuration.settings == DeviceConfiguration.Settings())
  }

  // MARK: nbdd.json

  @Test func `defaults hold for every device that does not say otherwise`() throws {
    try write(
      """
      { stopTimeout: "2min",
        defaults: { connectTimeout: "1s", negotiationTimeout: "2s", requestTimeout: "3s",
                    reconnectDelay: "4s", readAhead: "5KiB" } }
      """, to: "nbdd.json")
    try write(Self.sound, to: "devices.d/a.json")
    try write(#"{"uri": "nbd://h/y", "requestTimeout": "9s"}"#, to: "devices.d/b.json")
    let configuration = setup.read()
    #expect(setup.faults(configuration) == [])
    #expect(configuration.stopTimeout == .seconds(120))
    var settings = DeviceConfiguration.Settings(
      connectTimeout: .seconds(1), negotiationTimeout: .seconds(2), requestTimeout: .seconds(3),
      reconnectDelay: .seconds(4), readAhead: 5120)
    #expect(configuration.devices["a"]?.configuration.settings == settings)
    settings.requestTimeout = .seconds(9)
    #expect(configuration.devices["b"]?.configuration.settings == settings)
  }

  @Test(arguments: [
    (
      "{ stopTimeout: '0s' }",
      "1:16: stopTimeout is \"0s\"; expected a duration from 1 s to 60 min, as \"30s\" or \"250ms\""
    ),
    (
      "{ stopTimeout: '5s', defaults: { connectTimeout: '1s', readAhead: 1 } }",
      "1:67: defaults.readAhead is an integer; "
        + "expected a size of at most 1024 MiB, as \"512KiB\" or \"64MiB\""
    ),
    ("{ defaults: [] }", "1:13: defaults is an array; expected an object"),
    (
      "{ defaults: { uri: 'nbd://h/x' } }",
      "1:15: unknown key \"defaults.uri\"; known are "
        + DeviceConfiguration.Settings.keys.map(\.name).joined(separator: ", ")
    ),
    (
      "{ devices: {} }",
      "1:3: unknown key \"devices\"; known are defaults, stopTimeout, shutdownTimeout"
    ),
    ("{", "1:2: expected a name, found the end of the text"),
    ("", "1:1: the text is empty; expected a value"),
    ("7", "1:1: an integer; expected an object"),
  ])
  func `a fault in nbdd json is told and leaves the devices alone`(
    text: String, fault: String
  ) throws {
    try write(text, to: "nbdd.json")
    let configuration = try setup.reading(Self.sound)
    #expect(setup.faults(configuration) == ["nbdd.json:\(fault)"])
    #expect(configuration.devices["db"]?.configuration.settings == DeviceConfiguration.Settings())
    #expect(configuration.stopTimeout == .seconds(30))
  }

  // MARK: what is no configuration at all

  @Test func `what cannot be read as text is a fault, and the rest goes on`() throws {
    let huge = String(repeating: " ", count: 1 << 20) + Self.sound
    try write(huge, to: "devices.d/huge.json")
    try write("\u{0}\u{1}\u{2}ELF", to: "devices.d/binary.json")
    try write("", to: "devices.d/empty.json")
    try Directory.create("\(path)/devices.d/directory.json")
    try #require(unsafe mkfifo("\(path)/devices.d/pipe.json", 0o600) == 0)
    try #require(unsafe symlink("/nbdd/missing", "\(path)/devices.d/link.json") == 0)
    try #require(unsafe symlink("/dev/zero", "\(path)/devices.d/zero.json") == 0)
    let configuration = try setup.reading(Self.sound, in: "sound.json")
    #expect(configuration.devices.keys.sorted() == ["sound"])
    #expect(
      setup.faults(configuration) == [
        "devices.d/binary.json:1:1: expected a value, found '\\u{0}'",
        "devices.d/directory.json: cannot be read: Is a directory",
        "devices.d/empty.json:1:1: the text is empty; expected a value",
        "devices.d/huge.json: cannot be read: File too large",
        "devices.d/link.json: cannot be read: No such file or directory",
        "devices.d/pipe.json: cannot be read: not a regular file",
        "devices.d/zero.json: cannot be read: not a regular file",
      ])
  }

  @Test func `faults can be told over the control interface`() throws {
    try write("{", to: "devices.d/a.json")
    try Directory.create("\(path)/devices.d/b.json")
    let problems = setup.read().problems
    #expect(problems.count == 2)
    let reply = ControlError.invalid(problems).reply
    let interface = try Interface(parsing: ControlInterface.text)
    #expect(interface.problems(inError: reply.parameters, named: reply.error ?? "") == [])
  }
}
