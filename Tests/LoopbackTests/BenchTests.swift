// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import Testing
internal import TestSupport
internal import Varlink

/// `nbdctl bench`, beside what the server says that it was asked for.
@Suite(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing))
struct BenchTests {
  @Test func `measures at least the delay that the server makes`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit(
        "--filter=delay", "memory", "1M", "rdelay=20ms", in: workspace)
      let report = try report(
        [server.uri, "--block-size", "4KiB", "--depth", "1,8", "--seconds", "0.3"], workspace)
      #expect(report["formatVersion"]?.integer == 1)
      #expect(report["sizeBytes"]?.integer == 1 << 20)
      #expect(report["command"]?.string == "read")
      #expect(report["order"]?.string == "random")
      #expect(report["interrupted"]?.bool == false)
      let results = report["results"]?.array ?? []
      #expect(results.map { $0["depth"]?.integer } == [1, 8])
      for result in results {
        let names = ["minimum", "p50", "p90", "p99", "p999", "maximum"]
        let latencies = names.compactMap { result["latencyMicroseconds"]?[$0]?.integer }
        #expect(latencies.count == names.count)
        #expect(latencies == latencies.sorted())
        #expect(latencies.first ?? 0 >= 20_000)
        // No more than fit into the time, one after the other.
        let requests = result["requests"]?.integer ?? 0
        let time = result["elapsedMicroseconds"]?.integer ?? 0
        #expect(requests > 0)
        #expect(requests * 20_000 <= time * (result["depth"]?.integer ?? 0))
        #expect(time >= 300_000)
      }
    }
  }

  @Test(arguments: [1, 8])
  func `has as many requests in flight as asked for, and only reads`(_ depth: Int) throws {
    try Workspace.run { workspace in
      let log = workspace.file("log")
      let server = try Server.nbdkit(
        "--filter=log", "--filter=delay", "memory", "1G", "rdelay=200ms", "logfile=\(log)",
        in: workspace)
      let report = try report(
        [server.uri, "--block-size", "16KiB", "--depth", "\(depth)", "--seconds", "0.5"],
        workspace)
      let calls = RequestLog(log).entries
      #expect(Set(calls.map(\.name)) == ["Read"])
      #expect(calls.count == (report["results"]?.array?.first?["requests"]?.integer).map(Int.init))
      #expect(calls.allSatisfy { $0.offset % 16384 == 0 && $0.count == 16384 })
      #expect(Set(calls.map(\.offset)).count > 1)
      #expect(calls.map(\.inFlight).max() == depth)
    }
  }

  @Test func `writes where it is told to, in order, and reads nothing`() throws {
    try Workspace.run { workspace in
      let log = workspace.file("log")
      let server = try Server.nbdkit(
        "--filter=log", "--filter=delay", "memory", "64K", "wdelay=10ms", "logfile=\(log)",
        in: workspace)
      let report = try report(
        [
          server.uri, "--write", "--sequential", "--block-size", "4096", "--depth", "4",
          "--seconds", "0.3",
        ], workspace)
      #expect(report["command"]?.string == "write")
      #expect(report["order"]?.string == "sequential")
      let calls = RequestLog(log).entries
      #expect(Set(calls.map(\.name)) == ["Write"])
      #expect(calls.count > 16)
      // nbdkit's threads may take neighbours the other way round, not those a turn apart.
      #expect(Set(calls.prefix(16).map(\.offset)).count >= 13)
      #expect(Set(calls.map(\.offset)).isSubset(of: (0..<16).map { $0 * 4096 }))
    }
  }

  @Test func `writes nothing to an export that is read-only`() throws {
    try Workspace.run { workspace in
      let log = workspace.file("log")
      let server = try Server.nbdkit(
        "-r", "--filter=log", "memory", "1M", "logfile=\(log)", in: workspace)
      let outcome = try nbdctl(["bench", server.uri, "--write"], workspace)
      #expect(outcome.status == 77)
      #expect(outcome.errors == "nbdctl: the export is read-only; nothing was written\n")
      #expect(outcome.output == "")
      #expect(RequestLog(log).entries.isEmpty)
    }
  }

  @Test func `keeps to the block sizes of the server`() throws {
    try Workspace.run { workspace in
      let log = workspace.file("log")
      let server = try Server.nbdkit(
        "--filter=log", "--filter=blocksize-policy", "memory", "1M", "blocksize-minimum=4096",
        "blocksize-preferred=4096", "blocksize-maximum=65536", "blocksize-error-policy=error",
        "logfile=\(log)", in: workspace)
      for (size, words) in [("512", "multiples of 4096"), ("128KiB", "at most 65536")] {
        let outcome = try nbdctl(["bench", server.uri, "--block-size", size], workspace)
        #expect(outcome.status == 64)
        #expect(outcome.errors.contains(words))
      }
      #expect(RequestLog(log).entries.isEmpty)
      // What is usual is left out where it does not fit.
      let outcome = try nbdctl(["bench", server.uri, "--seconds", "0.1"], workspace)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.errors.hasPrefix("nbdctl: the server takes at most 65536 bytes"))
      let lines = outcome.output.split(separator: "\n")
      #expect(lines.count == 6)
      #expect(
        lines.suffix(3).map { $0.prefix(14) } == [
          "   4 KiB     1", "   4 KiB    16", "  64 KiB    16",
        ])
    }
  }

  @Test(arguments: [([], 1), (["--depth", "1"], 64)])
  func `says that an export is smaller than a block`(_ options: [String], _ status: Int) throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("memory", "2048", in: workspace)
      let outcome = try nbdctl(["bench", server.uri] + options, workspace)
      #expect(outcome.status == status)
      #expect(outcome.errors.contains("the export has 2048 bytes, less than a block of 4096"))
    }
  }

  @Test(arguments: [
    ["--seconds", "0"], ["--seconds", "nan"], ["--seconds", "x"], ["--depth", "0"],
    ["--block-size", "4k"], ["--timeout", "3"],
  ])
  func `refuses a wrong command line`(_ options: [String]) throws {
    try Workspace.run { workspace in
      let outcome = try nbdctl(["bench", "nbd://127.0.0.1:1/"] + options, workspace)
      #expect(outcome.status == 64)
    }
  }

  @Test(arguments: [
    // Never an answer, and one now and then, which alone would take 60 s.
    ["--filter=delay", "memory", "1M", "rdelay=600"],
    [
      "--filter=noparallel", "--filter=delay", "memory", "1M", "serialize=all-requests",
      "rdelay=300ms",
    ],
  ])
  func `ends when the time has passed`(_ arguments: [String]) throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit(arguments, in: workspace)
      let outcome = try nbdctl(
        [
          "bench", server.uri, "--depth", "200", "--seconds", "0.1", "--timeout", "1s", "--json",
        ], workspace)
      #expect(outcome.status == 75)
      #expect(outcome.output == "")
    }
  }

  @Test func `tells a server that cannot be reached from one that is none`() throws {
    try Workspace.run { workspace in
      #expect(try nbdctl(["bench", "nbd://127.0.0.1:1/"], workspace).status == 69)
      let other = try workspace.responder("HTTP/1.1 400 Bad Request\r\n\r\n")
      #expect(try nbdctl(["bench", "nbd+unix:///?socket=\(other)"], workspace).status == 76)
    }
  }

  @Test func `fails as the server does`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit(
        "--filter=error", "memory", "1M", "error-pread=EIO", "error-pread-rate=100%",
        in: workspace)
      let outcome = try nbdctl(["bench", server.uri], workspace)
      #expect(outcome.status == 1)
      #expect(outcome.errors.contains("the server returned EIO"))
    }
  }

  // A server that always has an answer ready, and one that is waited for.
  @Test(arguments: ["rdelay=0", "rdelay=50ms"])
  func `tells what was measured until it was interrupted`(_ delay: String) throws {
    try Workspace.run { workspace in
      let log = workspace.file("log")
      let server = try Server.nbdkit(
        "--filter=log", "--filter=delay", "memory", "1M", delay, "logfile=\(log)", in: workspace)
      let bench = try workspace.start(
        [builtProgram("nbdctl"), "bench", server.uri, "--seconds", "3600", "--json"])
      try eventually("some reads") { RequestLog(log).entries.count > 3 }
      bench.send(SIGINT)
      #expect(try bench.wait() == 1)
      #expect(bench.errors == "nbdctl: interrupted; not all was measured\n")
      let report = try JSON(parsing: Array(bench.output.utf8), dialect: .strict)
      #expect(report["interrupted"]?.bool == true)
      #expect(report["results"]?.array?.count == 1)
      #expect(report["results"]?.array?.first?["requests"]?.integer ?? 0 > 0)
    }
  }

  @Test(.enabled(if: Tool.script.isInstalled, "script is not installed: apt-get install bsdutils"))
  func `shows how far it is on a terminal only, and leaves nothing of that`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("memory", "1M", in: workspace)
      let command = "\(builtProgram("nbdctl")) bench '\(server.uri)' --depth 1 --seconds 0.3"
      let run = { (terminal: String) in
        let program = try workspace.start(
          ["script", "-qec", command, "/dev/null"], environment: ["TERM": terminal])
        #expect(try program.wait() == 0)
        return program.output
      }
      let shown = try run("xterm")
      #expect(shown.contains("\r[█"))
      // The bar, nothing in its place, the row, and nothing in its place again.
      #expect(shown.contains("\r\u{1B}[K   4 KiB"))
      #expect(shown.hasSuffix("\r\n\r\u{1B}[K"))
      #expect(try !run("dumb").contains("\u{1B}"))
      let piped = try nbdctl(["bench", server.uri, "--depth", "1", "--seconds", "0.1"], workspace)
      #expect(piped.errors == "")
    }
  }

  private func report(_ arguments: [String], _ workspace: Workspace) throws -> JSON {
    let outcome = try nbdctl(["bench", "--json"] + arguments, workspace)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors == "")
    return try JSON(parsing: Array(outcome.output.utf8), dialect: .strict)
  }
}
