// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Kernel
internal import Testing
internal import Varlink

/// Clients of the control socket that flood it or leave it stalled: the others are served, and
/// the daemon does not grow.
struct FloodTests {
  private static let quiet = Daemon.device("nbd://quiet.invalid/", 9000, "autoAttach: false")

  @Test func `refuses a message that is too long, in little memory`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace)
      let before = daemon.program.peakMemory
      let caller = try daemon.connect()
      let chunk = [UInt8](repeating: UInt8(ascii: "a"), count: 65536)
      var sent = 0
      while sent < 100 << 20, (try? caller.send(chunk)) != nil { sent += chunk.count }
      #expect(sent < 8 << 20)
      let reply = try caller.reply(to: "org.nbdd.InvalidMessage")
      #expect(reply.error == "org.nbdd.InvalidMessage")
      #expect(try caller.isClosed())
      #expect(daemon.program.peakMemory - before < 32 << 10)
      #expect(try daemon.nbdctl("status").status == 0)
    }
  }

  @Test func `closes on a message that does not end`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace)
      let caller = try daemon.connect()
      let idle = try daemon.connect()
      try caller.send("{\"method\": \"org.nbdd.Sta")
      #expect(try daemon.nbdctl("status").status == 0)
      let reply = try caller.reply(to: "org.nbdd.InvalidMessage")
      #expect(reply.parameters["message"]?.string?.contains("did not end within 10 s") == true)
      #expect(try caller.isClosed())
      // One who says nothing may stay.
      #expect(try idle.call("org.nbdd.Status").error == nil)
    }
  }

  @Test func `serves its clients while 300 others connect`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace, ["quiet": Self.quiet])
      let first = try daemon.connect()
      _ = try first.call("org.nbdd.Status")
      var others = try (0..<300).map { _ in try daemon.connect() }
      for _ in 0..<10 { #expect(try first.call("org.nbdd.Status").error == nil) }
      #expect(try others[0].call("org.nbdd.Status").error == nil)
      // Those above the limit were closed at once.
      #expect(try others[299].isClosed())
      others = []
      try eventually("room for others") { (try? daemon.nbdctl("status").status) == 0 }
    }
  }

  @Test(
    .enabled(if: Tool.isRoot, "only root can become another user"),
    .enabled(if: Tool.setpriv.isInstalled, "setpriv is not installed: apt-get install util-linux"))
  func `gives another user only so many connections`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace)
      let nobody = try Nobody(of: daemon)
      unsafe chmod(daemon.socket, 0o666)
      let watches = try (0..<40).map { _ in try nobody.start(["watch"]) }
      try eventually("those above the limit to end") { watches.count { $0.poll() != nil } == 8 }
      #expect(watches.compactMap { $0.poll() } == Array(repeating: 69, count: 8))
      #expect(try daemon.nbdctl("status").status == 0)
      #expect(try daemon.nbdctl("detach", "x").status == 4)
      #expect(watches.count { $0.poll() == nil } == 32)
    }
  }

  @Test func `does not grow for one who watches and never reads`() throws {
    try Workspace.run { workspace in
      let uri = "nbd+unix:///?socket=\(workspace.file("none"))"
      let daemon = try Daemon(
        in: workspace, ["device": Daemon.device(uri, 9000, "autoAttach: false")])
      let watcher = try daemon.connect()
      try watcher.send(Call(method: "org.nbdd.Watch", more: true))
      let caller = try daemon.connect()
      let attach = Call(method: "org.nbdd.Attach", parameters: ["name": "device"])
      let round = { (count: Int) in
        for _ in 0..<count { try caller.send(attach) }
        for _ in 0..<count {
          let error = try caller.reply(to: "org.nbdd.Attach").error
          #expect(error == "org.nbdd.AttachFailed")
        }
      }
      // Enough to leave the watcher behind; what comes then must cost nothing.
      try round(2500)
      let before = daemon.program.peakMemory
      try round(2500)
      #expect(daemon.program.peakMemory - before < 8 << 10)
      #expect(daemon.program.peakMemory < 64 << 10)

      // Now it reads: what had been sent, that it missed some, and the present state.
      var events: [String] = []
      while events.suffix(3) != ["dropped", "present", "synced"] {
        events.append(try Self.event(watcher, events.count))
        try #require(events.count < 10_000)
      }
      #expect(events.prefix(3) == ["present", "synced", "changed"])
      #expect(events.count { $0 == "dropped" } == 1)
      #expect(events.count < 5000)
      #expect(try daemon.nbdctl("detach", "device").status == 0)
      #expect(try Self.event(watcher, events.count) == "changed")
    }
  }

  private static func event(_ watcher: Caller, _ count: Int) throws -> String {
    let reply = try watcher.reply(to: "org.nbdd.Watch")
    #expect(reply.continues)
    #expect(reply.parameters["sequence"] == JSON(count + 1))
    return reply.parameters["event"]?.string ?? ""
  }

  // Two marks whose order Unicode's normal form would turn around, again and again: to compare
  // such a text as Swift compares strings takes quadratic time.
  private static let marks = String(repeating: "\u{301}\u{323}", count: (1 << 20) / 4 - 128)

  @Test(arguments: ["Status", "Watch", "Attach", "Detach"])
  func `answers at once for a name of nothing but combining marks`(_ method: String) throws {
    try expectAnswer(
      Call(
        method: "org.nbdd.\(method)", parameters: ["name": JSON(Self.marks)],
        more: method == "Watch"),
      error: "org.nbdd.NoSuchDevice")
  }

  @Test(arguments: [
    ("name", "a"), ("uri", ""), ("uri", "nbd://a/"), ("device", ""), ("device", "nbd1"),
    ("requestTimeout", "1"), ("readAhead", "1KiB"),
  ])
  func `answers at once for a context with many combining marks`(
    _ member: String, _ beginning: String
  ) throws {
    let context = ["name": "new", "uri": "nbd://server.invalid/", "device": "nbd9000"]
      .merging([member: beginning + Self.marks]) { $1 }
    let members = context.map { JSON.Member(name: $0.key, value: JSON($0.value)) }
    try expectAnswer(
      Call(method: "org.nbdd.Attach", parameters: ["context": JSON(.object(members))]),
      error: "org.nbdd.ConfigurationInvalid")
  }

  @Test func `answers at once for other parameters with many combining marks`() throws {
    try expectAnswer(
      Call(
        method: "org.nbdd.Attach",
        parameters: ["name": "quiet", "waitTimeout": JSON("1s" + Self.marks)]),
      error: "org.varlink.service.InvalidParameter")
    try expectAnswer(
      Call(method: "org.nbdd.Detach", parameters: ["device": JSON("/dev/nbd" + Self.marks)]),
      error: "org.nbdd.NoSuchDevice")
  }

  private func expectAnswer(_ call: Call, error: String) throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace, ["quiet": Self.quiet])
      let caller = try daemon.connect()
      let other = try daemon.connect()
      let start = ContinuousClock.now
      try caller.send(call)
      #expect(try caller.reply(to: call.method).error == error)
      #expect(try other.call("org.nbdd.Status").error == nil)
      #expect(ContinuousClock.now - start < .seconds(10))
    }
  }
}
