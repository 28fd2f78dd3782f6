// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
internal import Linux
internal import Testing
internal import Varlink

/// The control socket, spoken to byte by byte.
struct ControlTests {
  private func withCaller(
    _ devices: KeyValuePairs<String, String> = [:], _ body: (Daemon, Caller) throws -> Void
  ) throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace, devices)
      try body(daemon, try daemon.connect())
    }
  }

  private static let quiet = Daemon.device("nbd://quiet.invalid/", 9000, "autoAttach: false")

  @Test func `tells who it is`() throws {
    try withCaller { _, caller in
      let reply = try caller.call("org.varlink.service.GetInfo")
      #expect(reply.error == nil)
      #expect(reply.parameters["product"] == "nbdd")
      #expect(reply.parameters["interfaces"] == ["org.varlink.service", "org.nbdd"])
    }
  }

  @Test(arguments: ["org.nbdd", "org.varlink.service"])
  func `gives the text of its interface`(_ name: String) throws {
    let text = name == "org.nbdd" ? ControlInterface.text : InterfaceText.service
    try withCaller { _, caller in
      let reply = try caller.call(
        "org.varlink.service.GetInterfaceDescription", ["interface": JSON(name)])
      #expect(reply.parameters["description"]?.string == text)
    }
  }

  /// A call that cannot be answered as it would like, and the error it gets.
  struct Refused: CustomTestStringConvertible, Sendable {
    var method: String
    var parameters: JSON = [:]
    var more = false
    var error: String
    var told: JSON = [:]

    var testDescription: String { "\(method) \(parameters.text)" }
  }

  @Test(arguments: [
    Refused(
      method: "org.example.Run", error: "org.varlink.service.InterfaceNotFound",
      told: ["interface": "org.example"]),
    Refused(
      method: "org.nbdd.Explode", error: "org.varlink.service.MethodNotFound",
      told: ["method": "org.nbdd.Explode"]),
    Refused(
      method: "org.varlink.service.GetInterfaceDescription", parameters: ["interface": "a.b"],
      error: "org.varlink.service.InterfaceNotFound", told: ["interface": "a.b"]),
    Refused(
      method: "org.nbdd.Status", parameters: ["name": 3],
      error: "org.varlink.service.InvalidParameter", told: ["parameter": "name"]),
    Refused(
      method: "org.nbdd.Status", parameters: ["nam": "x"],
      error: "org.varlink.service.InvalidParameter", told: ["parameter": "nam"]),
    Refused(
      method: "org.nbdd.Attach",
      parameters: ["context": ["name": "a", "uri": "nbd://a", "mount": ["path": 7]]],
      error: "org.varlink.service.InvalidParameter", told: ["parameter": "context.mount.path"]),
    Refused(
      method: "org.nbdd.Attach",
      error: "org.varlink.service.InvalidParameter", told: ["parameter": "name"]),
    Refused(
      method: "org.nbdd.Attach", parameters: ["name": "quiet", "waitTimeout": "soon"],
      error: "org.varlink.service.InvalidParameter", told: ["parameter": "waitTimeout"]),
    Refused(
      method: "org.nbdd.Detach", parameters: ["name": "quiet", "device": "/dev/nbd9000"],
      error: "org.varlink.service.InvalidParameter", told: ["parameter": "device"]),
    Refused(
      method: "org.nbdd.Status", parameters: ["name": "loud"], error: "org.nbdd.NoSuchDevice",
      told: ["name": "loud"]),
    Refused(
      method: "org.nbdd.Watch", error: "org.varlink.service.ExpectedMore"),
    Refused(
      method: "org.nbdd.Watch", parameters: ["name": "loud"], more: true,
      error: "org.nbdd.NoSuchDevice", told: ["name": "loud"]),
  ])
  func `refuses a call and stays in step`(_ refused: Refused) throws {
    try withCaller(["quiet": Self.quiet]) { _, caller in
      let reply = try caller.call(refused.method, refused.parameters, more: refused.more)
      #expect(reply.error == refused.error)
      #expect(reply.parameters == refused.told)
      #expect(try caller.call("org.nbdd.Status").error == nil)
    }
  }

  @Test func `tells what is wrong in a context`() throws {
    try withCaller { _, caller in
      let reply = try caller.call(
        "org.nbdd.Attach",
        ["context": ["name": "no/name", "uri": "ftp://a", "requestTimeout": "1ms"]])
      #expect(reply.error == "org.nbdd.ConfigurationInvalid")
      #expect(reply.parameters["problems"]?.array?.count == 3)
      #expect(try caller.call("org.nbdd.Status").parameters["devices"] == [])
    }
  }

  @Test func `does not answer a oneway call`() throws {
    try withCaller { _, caller in
      try caller.send(Call(method: "org.nbdd.Status", oneway: true))
      try caller.send(Call(method: "org.nbdd.Status", parameters: ["name": "x"], oneway: true))
      try caller.send(Call(method: "org.nbdd.Watch", oneway: true))
      try caller.send(Call(method: "org.varlink.service.GetInfo"))
      #expect(try caller.reply(to: "org.varlink.service.GetInfo").parameters["product"] == "nbdd")
    }
  }

  @Test func `answers calls in the order in which they came`() throws {
    let refused = Daemon.device("nbd+unix:///?socket=/nonexistent", 9001, "autoAttach: false")
    try withCaller(["quiet": Self.quiet, "refused": refused]) { _, caller in
      var bytes: [UInt8] = []
      for number in 0..<500 {
        bytes += Call(method: "org.nbdd.Status", parameters: ["name": "n\(number)"]).bytes
        // This one is not answered at once.
        if number == 100 {
          bytes += Call(method: "org.nbdd.Attach", parameters: ["name": "refused"]).bytes
        }
      }
      try caller.send(bytes)
      for number in 0..<500 {
        let reply = try caller.reply(to: "org.nbdd.Status")
        #expect(reply.parameters == ["name": "n\(number)"])
        if number == 100 {
          #expect(try caller.reply(to: "org.nbdd.Attach").error == "org.nbdd.AttachFailed")
        }
      }
    }
  }

  @Test func `takes a call byte by byte`() throws {
    try withCaller { _, caller in
      for byte in Call(method: "org.nbdd.Status").bytes { try caller.send([byte]) }
      #expect(try caller.reply(to: "org.nbdd.Status").parameters == ["devices": []])
    }
  }

  @Test func `answers a client that has ended its side`() throws {
    let refused = Daemon.device("nbd+unix:///?socket=/nonexistent", 9001, "autoAttach: false")
    try withCaller(["refused": refused]) { _, caller in
      try caller.send(Call(method: "org.nbdd.Attach", parameters: ["name": "refused"]))
      try caller.send(Call(method: "org.nbdd.Status"))
      caller.endSending()
      #expect(try caller.reply(to: "org.nbdd.Attach").error == "org.nbdd.AttachFailed")
      #expect(try caller.reply(to: "org.nbdd.Status").error == nil)
      #expect(try caller.isClosed())
    }
  }

  @Test(arguments: [
    "hello", "", "[]", "{}", "{\"method\": 3}", "{\"method\": \"Status\"}",
    "{\"method\": \"org.nbdd.Status\", \"parameters\": []}",
    "{\"method\": \"org.nbdd.Watch\", \"more\": true, \"oneway\": true}",
    "{\"method\": \"org.nbdd.Status\", }", "GET / HTTP/1.1\r\n\r\n",
  ])
  func `refuses what is no call, and closes`(_ text: String) throws {
    try withCaller { daemon, caller in
      try caller.send(text + "\0")
      let reply = try caller.reply(to: "org.nbdd.InvalidMessage")
      #expect(reply.error == "org.nbdd.InvalidMessage")
      #expect(reply.parameters["message"]?.string?.isEmpty == false)
      #expect(try caller.isClosed())
      #expect(try daemon.nbdctl("status").status == 0)
    }
  }

  @Test func `shows a device's life to one who watches`() throws {
    let refused = Daemon.device("nbd+unix:///?socket=/nonexistent", 9001, "autoAttach: false")
    try withCaller(["refused": refused, "quiet": Self.quiet]) { daemon, caller in
      try caller.send(Call(method: "org.nbdd.Watch", parameters: ["name": "refused"], more: true))
      var events: [JSON] = []
      let next = {
        let reply = try caller.reply(to: "org.nbdd.Watch")
        #expect(reply.continues)
        events.append(reply.parameters)
        return reply.parameters
      }
      #expect(try next()["event"] == "present")
      #expect(try next()["event"] == "synced")
      #expect(try daemon.nbdctl("attach", "refused").status == 69)
      let states = { events.compactMap { $0["device"]?["runtime"]?["state"]?.string } }
      while !states().contains("reconnecting") { _ = try next() }
      #expect(states().prefix(2) == ["detached", "connecting"])
      #expect(try daemon.nbdctl("detach", "refused").status == 0)
      while states().last != "detached" { _ = try next() }
      // Once more for a device that is not in the configuration: it goes.
      File.remove(daemon.workspace.file("etc/devices.d/refused.json"))
      #expect(try daemon.nbdctl("reload").status == 0)
      while events.last?["event"] != "removed" { _ = try next() }
      #expect(events.compactMap { $0["sequence"]?.integer } == Array(1...Int64(events.count)))
      #expect(events.allSatisfy { $0["name"].map { $0 == "refused" } != false })
    }
  }
}
