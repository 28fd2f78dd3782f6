// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
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
      // Three changes of its state each time: they are all told.
      let round = { (count: Int) in
        for _ in 0..<count {
          try caller.send(Call(method: "org.nbdd.Attach", parameters: ["name": "device"]))
          try caller.send(Call(method: "org.nbdd.Detach", parameters: ["name": "device"]))
        }
        for _ in 0..<count {
          let error = try caller.reply(to: "org.nbdd.Attach").error
          #expect(error == "org.nbdd.AttachFailed")
          #expect(try caller.reply(to: "org.nbdd.Detach").error == nil)
        }
      }
      // Enough to leave the watcher behind; what comes then must cost nothing.
      try round(1500)
      let before = daemon.program.peakMemory
      try round(1500)
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
      #expect(try daemon.nbdctl("attach", "device").status == 69)
      #expect(try Self.event(watcher, events.count) == "changed")
    }
  }

  @Test func `frees the places of clients that have gone while they waited`() throws {
    try Workspace.run { workspace in
      let uri = "nbd+unix:///?socket=\(workspace.file("none"))"
      let daemon = try Daemon(
        in: workspace, ["device": Daemon.device(uri, 9000, "autoAttach: false")])
      let attach = Call(
        method: "org.nbdd.Attach", parameters: ["name": "device", "waitTimeout": "24h"])
      for _ in 0..<260 {
        let caller = try daemon.connect()
        try caller.send(attach)
      }
      // As nbdctl, which is killed.
      let program = try daemon.start(["attach", "device", "--wait", "24h"])
      try eventually("it to be asked") {
        program.poll() == nil && daemon.hasLogged(program.process)
      }
      program.send(SIGKILL)
      #expect(try program.wait() == 128 + Int(SIGKILL))
      #expect(try daemon.nbdctl("status").status == 0)
      // One who only sends no more still waits.
      let waiting = try daemon.connect()
      try waiting.send(attach)
      waiting.endSending()
      try eventually("all others to be gone") { daemon.program.openFiles < 64 }
      #expect(try daemon.nbdctl("detach", "device").status == 0)
      #expect(try waiting.reply(to: "org.nbdd.Attach").error == "org.nbdd.AttachFailed")
    }
  }

  @Test func `does not keep a device whose client has gone before it was there`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace)
      let uri = "nbd+unix:///?socket=\(workspace.file("none"))"
      let program = try daemon.start([
        "attach", uri, "--name", "new", "--device", "nbd9000", "--wait", "24h",
      ])
      try eventually("the device") {
        (try? daemon.nbdctl("status", "new").output.contains("state: reconnecting")) == true
      }
      program.send(SIGKILL)
      try eventually("the device to be gone") { (try? daemon.nbdctl("status", "new").status) == 4 }
      try eventually("the log") {
        daemon.program.errors.contains("new: the client that asked for it has gone")
      }
    }
  }

  @Test(
    .enabled(if: Tool.isRoot, "only root can become another user"),
    .enabled(if: Tool.setpriv.isInstalled, "setpriv is not installed: apt-get install util-linux"),
    .enabled(if: Nobody.hasPython, "/usr/bin/python3 is not there: apt-get install python3"))
  func `keeps places for root, and says whom it turns away`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace)
      unsafe chmod(daemon.socket, 0o666)
      unsafe chmod(workspace.path, 0o755)
      // Each holds as many connections as one user may have, until it is ended.
      let script = """
        import socket, sys, time
        held = []
        for _ in range(32):
            s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); held.append(s)
        print("connected", flush=True)
        time.sleep(600)
        """
      for number in 0..<8 {
        let holder = try workspace.start([
          Tool.setpriv.rawValue, "--reuid", "\(60000 + number)", "--regid", "60000",
          "--clear-groups", "--", Nobody.python, "-c", script, daemon.socket,
        ])
        try eventually("its connections") { holder.output == "connected\n" }
      }
      try eventually("the log") { daemon.program.errors.contains("rejected uid ") }
      #expect(daemon.program.errors.contains("users other than root have 224 connections"))
      #expect(
        daemon.program.errors.split(separator: "\n").count { $0.contains("rejected uid") } == 1)
      // All of them are still there, and root is served as ever.
      let root = try (0..<32).map { _ in try daemon.connect() }
      #expect(try root.allSatisfy { try $0.call("org.nbdd.Status").error == nil })
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
