// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import ControlAPI
import Linux
import NBD
import Testing
import TestSupport
import Varlink

@testable import Daemon

/// What a device's file can say, and that it can be fed back.
struct DeviceConfigurationTests {
  private let setup: Setup

  init() throws {
    setup = try Setup()
  }

  @Test func `the smallest file has a URI only`() throws {
    let configuration = try setup.reading(#"{"uri": "nbd://server.example.com/backup"}"#)
    #expect(setup.faults(configuration) == [])
    let declaration = try #require(configuration.devices["db"])
    #expect(declaration.file == "\(setup.directory.path)/devices.d/db.json")
    let context = declaration.configuration
    #expect(context.name == "db")
    #expect(context.uri.description == "nbd://server.example.com:10809/backup")
    #expect(context.device == nil && context.mount == nil)
    #expect(!context.readOnly && context.autoAttach && !context.shared)
    #expect(context.settings == DeviceConfiguration.Settings())
  }

  nonisolated private static let everything = #"""
    // JSON5: comments, names without quotes, other quotes, and a comma at the end.
    {
      name: 'db',
      uri: "nbd+unix:///x?socket=/run/db.sock",
      device: "/dev/nbd7",
      readOnly: true,
      autoAttach: false,
      shared: true,
      tlsHostname: "db.example",
      verifyPeer: false,
      mount: { path: "/srv/db", type: "ext4", options: ["noatime", "errors=remount-ro"], check: true },
      path: "relay",
      connections: 4,
      busyPoll: false,
      connectTimeout: "250ms",
      negotiationTimeout: "3s",
      requestTimeout: "5min", /* a long one */
      reconnectDelay: "1h",
      giveUpAfter: "2h",
      afterGiveUp: "abandon",
      unflushedLimit: "128MiB",
      readAhead: "4MiB",
      tlsCertificates: "/etc/nbdd/tls",
      tlsPSKFile: "/etc/nbdd/psk",
      tlsPriority: "NORMAL",
    }
    """#

  @Test func `a file can say everything, in JSON5`() throws {
    let configuration = try setup.reading(Self.everything)
    #expect(setup.faults(configuration) == [])
    let context = try #require(configuration.devices["db"]?.configuration)
    #expect(context.uri.transport == .unix(path: Array("/run/db.sock".utf8)))
    #expect(context.uri.exportName == "x")
    #expect(context.device == 7)
    #expect(context.readOnly && !context.autoAttach && context.shared)
    #expect(
      context.mount
        == DeviceConfiguration.Mount(
          path: "/srv/db", type: "ext4", options: ["noatime", "errors=remount-ro"], check: true))
    #expect(
      context.settings
        == DeviceConfiguration.Settings(
          path: .relay, connections: 4, busyPoll: false, connectTimeout: .milliseconds(250),
          negotiationTimeout: .seconds(3), requestTimeout: .seconds(300),
          reconnectDelay: .seconds(3600), giveUpAfter: .seconds(7200), afterGiveUp: .abandon,
          unflushedLimit: 128 << 20,
          readAhead: 4 << 20, tlsCertificates: "/etc/nbdd/tls", tlsPSKFile: "/etc/nbdd/psk",
          tlsPriority: "NORMAL"))
    #expect(context.tlsHostname == "db.example" && context.verifyPeer == false)
  }

  @Test func `an explicit null is as good as leaving a key out`() throws {
    let keys = [
      "name", "device", "readOnly", "autoAttach", "mount", "connectTimeout", "negotiationTimeout",
      "requestTimeout", "reconnectDelay", "readAhead", "path", "connections", "busyPoll",
      "giveUpAfter",
      "afterGiveUp", "unflushedLimit", "tlsHostname", "verifyPeer", "tlsCertificates", "tlsPSKFile",
      "tlsPriority",
    ]
    let nulls = keys.map { ", \"\($0)\": null" }.joined()
    let configuration = try setup.reading("{\"uri\": \"nbd://h/x\"\(nulls)}")
    #expect(setup.faults(configuration) == [])
    let context = try #require(configuration.devices["db"]?.configuration)
    #expect(context == DeviceConfiguration(name: "db", uri: try URI(parsing: "nbd://h/x")))
  }

  @Test(arguments: [
    #"{"name": "a", "uri": "nbd://h/x"}"#,
    #"{"name": "a", "uri": "nbd://[::1]:7/%2Fa%20b"}"#,
    #"{"name": "a", "uri": "nbd+unix:///?socket=%00abstract"}"#,
    #"{"name": "a", "uri": "nbd://h/x", "connectTimeout": "1500ms", "readAhead": "513B"}"#,
    #"{"name": "a", "uri": "nbd://h/x", "mount": {"path": "/srv/\u00fc b"}}"#,
    everything,
  ])
  func `what is written of a context reads back as the same, and fits the interface`(
    text: String
  ) throws {
    let context = try #require(read(try JSON(parsing: Array(text.utf8), dialect: .json5)))
    let again = try JSON(parsing: Array(context.json.text.utf8), dialect: .strict)
    #expect(read(again) == context)
    let interface = try Interface(parsing: ControlInterface.text)
    #expect(interface.problems(in: again, as: .named("Context")) == [])
  }

  @Test func `every key of the interface's context can stand in a file, and no other`() throws {
    let interface = try Interface(parsing: ControlInterface.text)
    guard case .structure(let fields)? = interface.type(named: "Context")?.type else {
      Issue.record("Context is no structure")
      return
    }
    let json = try JSON(parsing: Array(Self.everything.utf8), dialect: .json5)
    #expect(fields.map(\.name) == json.members?.map(\.name))
  }

  private func read(_ json: JSON) -> DeviceConfiguration? {
    var reader = ConfigurationReader(json, file: "context")
    let context = DeviceConfiguration(&reader, name: nil, defaults: DeviceConfiguration.Settings())
    #expect(reader.problems == [])
    return context
  }

  @Test(arguments: ["a", "0", "A-b_c.9", String(repeating: "x", count: 64)])
  func `a name is made of letters, digits, dots, lines and dashes`(name: String) {
    #expect(DeviceConfiguration.isName(name))
  }

  @Test(arguments: [
    "", ".", "..", "-a", "_a", ".a", "a b", "a/b", "a\n", "\u{FC}", "a\u{301}",
    String(repeating: "x", count: 65),
  ])
  func `nothing else is a name`(name: String) {
    #expect(!DeviceConfiguration.isName(name))
  }

  @Test func `only what concerns attempts to come may change while a device is served`() throws {
    let context = DeviceConfiguration(name: "a", uri: try URI(parsing: "nbd://h/x"))
    var other = context
    other.autoAttach.toggle()
    other.settings.connectTimeout = .seconds(1)
    other.settings.negotiationTimeout = .seconds(1)
    other.settings.reconnectDelay = .seconds(1)
    other.settings.giveUpAfter = .seconds(1)
    other.settings.afterGiveUp = .abandon
    #expect(context.servesAlike(other))

    let changes: [(inout DeviceConfiguration) -> Void] = [
      { $0.name = "b" }, { $0.device = 1 }, { $0.readOnly = true },
      { $0.mount = DeviceConfiguration.Mount(path: "/srv") },
      { $0.settings.requestTimeout = .seconds(1) },
      { $0.settings.readAhead = 4096 }, { $0.uri.exportName = "y" },
      { $0.settings.path = .direct }, { $0.settings.connections = 2 }, { $0.verifyPeer = false },
      { $0.shared = true },
    ]
    for (number, change) in changes.enumerated() {
      var other = context
      change(&other)
      #expect(!context.servesAlike(other), "change \(number)")
    }
  }

  // MARK: what an attached device takes

  /// Each key, a change of it, and whether it concerns only connections to come.
  nonisolated private static let changes:
    [(key: String, isForConnections: Bool, change: @Sendable (inout DeviceConfiguration) -> Void)] =
      [
        ("name", false, { $0.name = "b" }),
        ("uri", true, { $0.uri.exportName = "y" }),
        ("device", false, { $0.device = 1 }),
        ("readOnly", false, { $0.readOnly = true }),
        ("autoAttach", true, { $0.autoAttach = false }),
        ("shared", true, { $0.shared = true }),
        ("tlsHostname", true, { $0.tlsHostname = "h" }),
        ("verifyPeer", true, { $0.verifyPeer = false }),
        ("mount", false, { $0.mount = DeviceConfiguration.Mount(path: "/srv") }),
        ("path", false, { $0.settings.path = .direct }),
        ("connections", false, { $0.settings.connections = 2 }),
        ("busyPoll", false, { $0.settings.busyPoll = false }),
        ("connectTimeout", true, { $0.settings.connectTimeout = .seconds(1) }),
        ("negotiationTimeout", true, { $0.settings.negotiationTimeout = .seconds(1) }),
        ("requestTimeout", false, { $0.settings.requestTimeout = .seconds(1) }),
        ("reconnectDelay", true, { $0.settings.reconnectDelay = .seconds(1) }),
        ("giveUpAfter", true, { $0.settings.giveUpAfter = .seconds(1) }),
        ("afterGiveUp", true, { $0.settings.afterGiveUp = .abandon }),
        ("unflushedLimit", false, { $0.settings.unflushedLimit = 32 << 20 }),
        ("readAhead", false, { $0.settings.readAhead = 4096 }),
        ("tlsCertificates", true, { $0.settings.tlsCertificates = "/tls" }),
        ("tlsPSKFile", true, { $0.settings.tlsPSKFile = "/psk" }),
        ("tlsPriority", true, { $0.settings.tlsPriority = "NORMAL" }),
      ]

  @Test func `of every key it is known whether an attached device takes it`() throws {
    let json = try JSON(parsing: Array(Self.everything.utf8), dialect: .json5)
    #expect(Self.changes.map(\.key) == json.members?.map(\.name))
  }

  @Test(arguments: changes.indices)
  func `an attached device takes what concerns only its connections, and nothing else`(
    number: Int
  ) throws {
    let (key, isForConnections, change) = Self.changes[number]
    let context = DeviceConfiguration(name: "a", uri: try URI(parsing: "nbd://h/x"))
    var other = context
    change(&other)
    #expect(context.keys(unlike: other) == [key])
    #expect(other.keys(unlike: context) == [key])
    #expect(context.connecting(as: other) == (isForConnections ? other : context))
  }

  @Test func `of a change of everything the rest waits`() throws {
    let context = DeviceConfiguration(name: "a", uri: try URI(parsing: "nbd://h/x"))
    var other = context
    for (_, _, change) in Self.changes { change(&other) }
    let taken = context.connecting(as: other)
    let rest = Self.changes.filter { !$0.isForConnections }.map(\.key)
    #expect(taken.keys(unlike: other) == rest.sorted())
  }

  @Test(arguments: [
    (#"{"uri": "nbds://h/x", "readOnly": true, "verifyPeer": false, "mount": null}"#, []),
    (#"{"uri": "nbd+vsock://2/x", "device": "nbd3", "shared": true}"#, []),
    (#"{"uri": "nbd+unix:///x?socket=/run/s"}"#, ["uri"]),
    (#"{"uri": "nbds+unix:///x?socket=%00s"}"#, ["uri"]),
    (#"{"uri": "nbd://h/x", "mount": {"path": "/srv"}}"#, ["mount"]),
    (#"{"uri": "nbds://h/x", "tlsPriority": "NORMAL"}"#, ["tlsPriority"]),
    (
      #"{"uri": "nbds://h/x", "tlsPSKFile": "/a", "tlsCertificates": "/b"}"#,
      ["tlsCertificates", "tlsPSKFile"]
    ),
  ])
  func `what names files of this machine is for root`(text: String, keys: [String]) throws {
    let object = try JSON(parsing: Array(text.utf8), dialect: .json5)
    var reader = ConfigurationReader(object, file: "context")
    // What all devices have by the configuration is nobody's wish.
    let defaults = DeviceConfiguration.Settings(tlsCertificates: "/etc/nbdd/tls")
    let context = try #require(DeviceConfiguration(&reader, name: "a", defaults: defaults))
    #expect(context.keysForRoot(in: object) == keys)
  }
}
