// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
@testable import Linux
internal import Testing
internal import Varlink

/// Whoever nbdd tells something may not listen: it goes on all the same.
struct StuckReaderTests {
  private static let quiet = Daemon.device("nbd://quiet.invalid/", 9000, "autoAttach: false")

  /// Makes nbdd say something, again and again, and be asked in between.
  private func expectAnswers(
    of daemon: Daemon, _ count: Int, _ method: String, _ parameters: JSON = [:]
  ) throws {
    let caller = try daemon.connect()
    for number in 0..<count {
      #expect(try caller.call("org.nbdd.\(method)", parameters).error == nil)
      if number % 1000 == 0 { #expect(try daemon.nbdctl("status").status == 0) }
    }
  }

  @Test func `goes on while nobody reads its log, and tells how much was dropped`() throws {
    try Workspace.run { workspace in
      let pipe = workspace.file("pipe")
      try #require(unsafe mkfifo(pipe, 0o600) == 0)
      let shell = ["/bin/sh", "-c", "exec \"$@\" 2<>\(pipe)", "sh"]
      let daemon = try Daemon(in: workspace, ["quiet": Self.quiet], through: shell)
      // More than a pipe holds, and than nbdd keeps.
      try expectAnswers(of: daemon, 5000, "Detach", ["name": "quiet"])
      let log = try readAll(pipe) { $0.contains(" were dropped: ") }
      #expect(log.contains("\n<5>quiet: detach asked for by uid "))
      let lines = log.split(separator: "\n")
      #expect(lines.allSatisfy { $0.hasPrefix("<") })
      let note = lines.last { $0.contains(" messages were dropped: ") }
      let count = note.flatMap { Int($0.dropFirst("<4>".count).prefix { $0.isNumber }) }
      // Nothing else is missing.
      #expect(lines.count { $0.contains("detach asked for") } + (count ?? 0) == 5000)
      // From now on it is heard again.
      try expectAnswers(of: daemon, 1, "Reload")
      _ = try readAll(pipe) { $0.contains("reload asked for") }
      daemon.program.send(SIGTERM)
      #expect(try daemon.program.wait() == 0)
    }
  }

  @Test func `ends while nobody reads its log`() throws {
    try Workspace.run { workspace in
      let pipe = workspace.file("pipe")
      try #require(unsafe mkfifo(pipe, 0o600) == 0)
      let shell = ["/bin/sh", "-c", "exec \"$@\" 2<>\(pipe)", "sh"]
      let daemon = try Daemon(in: workspace, ["quiet": Self.quiet], through: shell)
      try expectAnswers(of: daemon, 2000, "Detach", ["name": "quiet"])
      daemon.program.send(SIGTERM)
      #expect(try daemon.program.wait() == 0)
    }
  }

  @Test func `goes on while systemd does not listen, and tells it the last of everything`() throws {
    try Workspace.run { workspace in
      let notifications = try NotificationTests.Notifications(in: workspace)
      let daemon = try Daemon(
        in: workspace, ["quiet": Self.quiet], environment: ["NOTIFY_SOCKET": notifications.path])
      // More than a socket's queue holds on any system.
      try expectAnswers(of: daemon, 1000, "Reload")
      let last = Clocks.monotonic
      try expectAnswers(of: daemon, 1, "Reload")
      try eventually("the last reload") {
        _ = try? notifications.await("RELOADING=1")
        let time = notifications.messages.last { $0.hasPrefix("RELOADING=1") }?
          .split(separator: "=").last.flatMap { Int64($0) }
        return time.map { $0 >= last } == true && notifications.messages.last == "READY=1"
      }
    }
  }

  @Test(.enabled(if: Tool.isRoot, "only root can have a journal of its own"))
  func `goes on while the journal does not listen`() throws {
    try Workspace.run { workspace in
      try Directory.create(workspace.file("journal"))
      let journal = try NotificationTests.Notifications(in: workspace, named: "journal/socket")
      // Standard error is a file, and nbdd is told that it leads to the journal.
      let mounts = """
        mount -t tmpfs none /run && mkdir -p /run/systemd/journal &&
        mount --bind \(workspace.file("journal")) /run/systemd/journal || exit 9
        """
      let script = """
        \(mounts)
        export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)
        exec "$@"
        """
      let isolated = { ["unshare", "-m", "sh", "-c", $0] }
      let probe = try workspace.start(isolated(mounts))
      if try probe.wait() != 0 { try Test.cancel("nothing can be mounted here") }
      let daemon = try Daemon(
        in: workspace, ["quiet": Self.quiet],
        environment: ["PATH": Environment["PATH"] ?? "", "NBDD_SOCKET": ""],
        through: isolated(script) + ["sh"])
      try expectAnswers(of: daemon, 3000, "Detach", ["name": "quiet"])
      #expect(!daemon.program.errors.contains("detach asked for"))
      try eventually("the journal") {
        _ = try? journal.await("MESSAGE=quiet: detach asked for")
        return journal.messages.contains { $0.contains(" messages were dropped: ") }
      }
    }
  }

  /// Reads a pipe until what came satisfies a condition.
  private func readAll(_ path: String, until isEnough: (String) -> Bool) throws -> String {
    let pipe = try Descriptor.open(path, O_RDONLY | O_NONBLOCK)
    var bytes: [UInt8] = []
    var room = [UInt8](repeating: 0, count: 65536)
    return try eventually("the log") {
      let count = unsafe read(pipe.number, &room, room.count)
      if count > 0 { bytes += room.prefix(count) }
      let text = String(decoding: bytes, as: UTF8.self)
      return isEnough(text) ? text : nil
    }
  }
}
