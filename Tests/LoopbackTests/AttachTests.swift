// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import Testing
internal import Varlink

/// Attaching what cannot be attached: a clear error for it, and no other device notices.
struct AttachTests {
  /// A server that is of no use, and what is said of it.
  struct Trouble: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var stage: String
    var words: [String]
    var isPersistent = false
    /// What `attach` ends with, and the kind of failure that the status has.
    var status = 1
    var kind = "other"
    /// The server's URI.
    var serve: @Sendable (Workspace) throws -> String
    var needsNbdkit = false
  }

  static let troubles = [
    Trouble(
      testDescription: "no socket", stage: "connect",
      words: ["none: there is no such socket"],
      status: 69, kind: "unreachable",
      serve: { "nbd+unix:///?socket=\($0.file("none"))" }),
    Trouble(
      testDescription: "a closed port", stage: "connect",
      words: ["127.0.0.1:", "connection refused"],
      status: 69, kind: "unreachable",
      serve: { _ in "nbd://127.0.0.1:\(try Workspace.freePort("127.0.0.1"))/" }),
    Trouble(
      testDescription: "a name without an address", stage: "resolve",
      words: ["cannot resolve 'server.invalid': "], status: 69, kind: "unreachable",
      serve: { _ in "nbd://server.invalid/" }),
    Trouble(
      testDescription: "HTTP", stage: "negotiate",
      words: ["greeting: this is not an NBD server, it began with ", "HTTP/1.1"],
      isPersistent: true,
      status: 76, kind: "protocolBroken",
      serve: {
        "nbd+unix:///?socket=\(try $0.responder("HTTP/1.1 400 Bad Request\r\n\r\n"))"
      }),
    Trouble(
      testDescription: "silence", stage: "negotiate",
      words: ["greeting: waited 300 ms for the first magic"],
      status: 75, kind: "timedOut",
      serve: { "nbd+unix:///?socket=\(try $0.responder(""))" }),
    Trouble(
      testDescription: "half a greeting", stage: "negotiate", words: ["greeting: waited"],
      status: 75, kind: "timedOut",
      serve: { "nbd+unix:///?socket=\(try $0.responder("NBDMAGICIHAVEOPT"))" }),
    Trouble(
      testDescription: "TLS only", stage: "negotiate",
      words: ["option ", "the server requires TLS"], isPersistent: true,
      status: 77, kind: "refused",
      serve: { try Server.requiringTLS(in: $0).uri }, needsNbdkit: true),
    Trouble(
      testDescription: "a missing export", stage: "negotiate",
      words: ["the server has no export 'gamma'; it has: ", "alpha", "beta"],
      serve: { workspace in
        let server = try Server.nbdkit(
          "--filter=exportname", "null", "size=1M", "exportname=alpha", "exportname=beta",
          "exportname-list=explicit", "exportname-strict=true", in: workspace)
        return server.uri.replacing("///?", with: "///gamma?")
      }, needsNbdkit: true),
    Trouble(
      testDescription: "an empty export", stage: "kernel",
      words: ["the export is empty (size 0), so there is nothing to attach"],
      serve: { try Server.nbdkit("null", "size=0", in: $0).uri }, needsNbdkit: true),
    Trouble(
      testDescription: "no such kernel device", stage: "kernel",
      words: ["/dev/nbd9000: No such file or directory; the nbd driver "],
      serve: { try Server.nbdkit("null", "size=1M", in: $0).uri }, needsNbdkit: true),
  ]

  @Test(arguments: troubles)
  func `tells what is wrong and goes on trying`(_ trouble: Trouble) throws {
    if trouble.needsNbdkit, !Tool.nbdkit.isInstalled {
      try Test.cancel("nbdkit is not installed: apt-get install nbdkit")
    }
    try Workspace.run { workspace in
      let patient = Daemon.device(
        "nbd+unix:///?socket=\(try workspace.responder(""))", 9001, "negotiationTimeout: \"1h\"")
      let quiet = Daemon.device("nbd://quiet.invalid/", 9002, "autoAttach: false")
      let device = Daemon.device(
        try trouble.serve(workspace), 9000, "autoAttach: false, negotiationTimeout: \"300ms\"")
      let daemon = try Daemon(
        in: workspace, ["device": device, "patient": patient, "quiet": quiet])
      try eventually("the other to connect") { (try? daemon.state("patient")) == "connecting" }
      let others = try ["patient", "quiet"].map(daemon.runtime)

      let outcome = try daemon.nbdctl("attach", "device")
      #expect(outcome.status == trouble.status)
      #expect(outcome.output.isEmpty)
      #expect(outcome.errors.hasPrefix("nbdctl: device: "))
      #expect(outcome.errors.hasSuffix("; nbdd keeps trying\n"))
      for words in trouble.words { #expect(outcome.errors.contains(words)) }

      let runtime = try daemon.awaitFailure(of: "device")
      #expect(runtime["state"]?.string == (trouble.isPersistent ? "failed" : "reconnecting"))
      #expect(runtime["failure"]?["stage"]?.string == trouble.stage)
      #expect(runtime["failure"]?["kind"]?.string == trouble.kind)
      let next = try #require(runtime["nextAttemptRealtimeUSec"]?.integer)
      #expect(abs(next - Clocks.realtime) < 60_000_000)
      #expect(runtime["message"]?.string?.contains("next attempt ") == true)
      #expect(try #require(runtime["attempts"]?.integer) >= 1)
      #expect(try ["patient", "quiet"].map(daemon.runtime) == others)
    }
  }

  @Test func `tries again, later each time, until it is detached`() throws {
    try Workspace.run { workspace in
      let uri = "nbd+unix:///?socket=\(workspace.file("none"))"
      let daemon = try Daemon(in: workspace, ["device": Daemon.device(uri)])
      try eventually("four attempts") {
        (try? daemon.runtime("device"))?["attempts"]?.integer ?? 0 >= 4
      }
      #expect(try daemon.nbdctl("status", "device").status == 3)
      let outcome = try daemon.nbdctl("detach", "device")
      #expect(outcome.status == 0)
      #expect(outcome.errors.isEmpty)
      let runtime = try daemon.runtime("device")
      #expect(runtime["state"]?.string == "detached")
      #expect(runtime["nextAttemptRealtimeUSec"] == nil)
      #expect(runtime["failure"] == nil)
    }
  }

  @Test func `goes on trying for as long as it is told to wait`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace)
      let start = ContinuousClock.now
      let outcome = try daemon.nbdctl(
        "attach", "nbd+unix:///?socket=\(workspace.file("none"))", "--wait", "1s",
        "--name", "new", "--device", "nbd9000")
      #expect(outcome.status == 75)
      #expect(ContinuousClock.now - start >= .seconds(1))
      #expect(outcome.errors.contains("new: \(workspace.file("none")): there is no such socket"))
      // What was new and never attached is not kept.
      try eventually("it to be forgotten") { (try? daemon.nbdctl("status", "new").status) == 4 }
    }
  }

  @Test func `forgets a new device that fails`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(in: workspace)
      let outcome = try daemon.nbdctl(
        "attach", "nbd+unix:///disk?socket=\(workspace.file("none"))", "--device", "nbd9000")
      #expect(outcome.status == 69)
      #expect(outcome.errors.hasPrefix("nbdctl: disk: "))
      #expect(!outcome.errors.contains("keeps trying"))
      try eventually("it to be forgotten") { (try? daemon.nbdctl("status", "disk").status) == 4 }
    }
  }

  @Test func `ends an attempt that is under way`() throws {
    try Workspace.run { workspace in
      let uri = "nbd+unix:///?socket=\(try workspace.responder(""))"
      let daemon = try Daemon(
        in: workspace, ["device": Daemon.device(uri, 9000, "negotiationTimeout: \"1h\"")])
      try eventually("the attempt") { (try? daemon.state("device")) == "connecting" }
      let waiting = try daemon.start(["attach", "device"])
      try eventually("the call") { daemon.program.errors.contains("attach asked for") }
      #expect(try daemon.nbdctl("detach", "device").status == 0)
      #expect(try daemon.state("device") == "detached")
      #expect(try waiting.wait() == 1)
    }
  }

  @Test func `has nothing to detach`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(
        in: workspace,
        ["quiet": Daemon.device("nbd://quiet.invalid/", 9000, "autoAttach: false")])
      let unknown = try daemon.nbdctl("detach", "other")
      #expect(unknown.status == 4)
      #expect(unknown.errors == "nbdctl: there is no device other\n")
      #expect(try daemon.nbdctl("detach", "/dev/nbd9000").status == 4)
      let detached = try daemon.nbdctl("detach", "quiet")
      #expect(detached.status == 0)
      #expect(detached.errors == "nbdctl: quiet is not attached\n")
    }
  }

  @Test func `refuses a name that is taken by another device`() throws {
    try Workspace.run { workspace in
      let daemon = try Daemon(
        in: workspace,
        ["quiet": Daemon.device("nbd://quiet.invalid/", 9000, "autoAttach: false")])
      let outcome = try daemon.nbdctl("attach", "nbd://other.invalid/", "--name", "quiet")
      #expect(outcome.status == 1)
      #expect(outcome.errors.contains("quiet is another device (nbd://quiet.invalid:10809/)"))
      #expect(try daemon.nbdctl("attach", "unknown").status == 4)
    }
  }
}
