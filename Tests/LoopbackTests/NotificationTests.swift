// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
@testable import Linux
internal import Testing

/// What nbdd tells the service manager that started it.
struct NotificationTests {
  /// The service manager's end: keeps what comes.
  final class Notifications {
    let path: String
    private let socket: Descriptor
    private(set) var messages: [String] = []

    init(in workspace: Workspace, named name: String = "notify") throws {
      path = workspace.file(name)
      let type = CInt(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
      let socket = Descriptor(owning: try check("socket") { Glibc.socket(AF_UNIX, type, 0) })
      self.socket = socket
      let address = try #require(Address.unix(path: Array(path.utf8))).bytes
      try unsafe address.withUnsafeBytes { raw in
        let start = unsafe raw.assumingMemoryBound(to: sockaddr.self).baseAddress
        try check("bind") {
          unsafe bind(
            socket.number, __CONST_SOCKADDR_ARG(__sockaddr__: start), socklen_t(raw.count))
        }
      }
    }

    /// Waits for so many messages that begin with these words; answers them all.
    @discardableResult
    func await(_ beginning: String, count: Int = 1) throws -> [String] {
      try eventually("\(beginning) from nbdd") {
        while let bytes = try? ControlSocket.receive(from: socket, limit: 4096) {
          messages.append(String(decoding: bytes, as: UTF8.self))
        }
        let matches = messages.filter { $0.hasPrefix(beginning) }
        return matches.count >= count ? matches : nil
      }
    }
  }

  private func withDaemon(
    _ device: String, watchdog: String? = nil, _ body: (Daemon, Notifications) throws -> Void
  ) throws {
    try Workspace.run { workspace in
      let notifications = try Notifications(in: workspace)
      // What is told of the watchdog is for one process only.
      let shell = ["/bin/sh", "-c", "WATCHDOG_PID=$$ exec \"$@\"", "sh"]
      var environment = ["NOTIFY_SOCKET": notifications.path]
      if let watchdog { environment["WATCHDOG_USEC"] = watchdog }
      let daemon = try Daemon(
        in: workspace, ["device": device], environment: environment, through: shell)
      try body(daemon, notifications)
    }
  }

  private static let quiet = Daemon.device("nbd://quiet.invalid/", 9000, "autoAttach: false")

  @Test func `tells when it is ready, and when it stops`() throws {
    try withDaemon(Self.quiet) { daemon, notifications in
      try notifications.await("READY=1")
      #expect(notifications.messages.first == "STATUS=no devices attached")
      #expect(notifications.messages.count { $0 == "READY=1" } == 1)
      daemon.program.send(SIGTERM)
      try notifications.await("STOPPING=1")
      try notifications.await("EXTEND_TIMEOUT_USEC=60000000")
      #expect(try daemon.program.wait() == 0)
      #expect(!notifications.messages.contains { $0.hasPrefix("WATCHDOG") })
    }
  }

  @Test func `tells how the devices are`() throws {
    let device = Daemon.device("nbd+unix:///?socket=/nonexistent")
    try withDaemon(device) { daemon, notifications in
      let words = "/nonexistent: there is no such socket, next attempt "
      try notifications.await("STATUS=0 of 1 device attached; device: \(words)")
      #expect(try daemon.nbdctl("detach", "device").status == 0)
      try eventually("the last status") {
        _ = try? notifications.await("STATUS=no devices attached")
        return notifications.messages.last { $0.hasPrefix("STATUS=") }
          == "STATUS=no devices attached"
      }
    }
  }

  @Test func `tells when it reloads, and since when`() throws {
    try withDaemon(Self.quiet) { daemon, notifications in
      try notifications.await("READY=1")
      let before = Clocks.monotonic
      daemon.program.send(SIGHUP)
      try notifications.await("READY=1", count: 2)
      try expectReload(notifications, 1, after: before)

      // A fault does not leave systemd waiting for the end of the reload.
      try Daemon.declare("device", "{", in: daemon.workspace)
      daemon.program.send(SIGHUP)
      try notifications.await("READY=1", count: 3)
      try expectReload(notifications, 2, after: before)

      #expect(try daemon.nbdctl("reload").status == 78)
      try notifications.await("READY=1", count: 4)
      try expectReload(notifications, 3, after: before)
    }
  }

  /// The message is as systemd 253 wants it, and the last READY comes after it.
  private func expectReload(
    _ notifications: Notifications, _ count: Int, after start: Int64
  ) throws {
    let reloads = try notifications.await("RELOADING=1\nMONOTONIC_USEC=", count: count)
    #expect(reloads.count == count)
    let time = try #require(reloads.last?.split(separator: "=").last.flatMap { Int64($0) })
    #expect((start...Clocks.monotonic).contains(time))
    let order = notifications.messages.compactMap { $0.split(separator: "=").first }
      .filter { $0 == "READY" || $0 == "RELOADING" }
    #expect(order.suffix(2) == ["RELOADING", "READY"])
  }

  @Test func `shows the watchdog that it is alive`() throws {
    try withDaemon(Self.quiet, watchdog: "300000") { daemon, notifications in
      let start = ContinuousClock.now
      try notifications.await("WATCHDOG=1", count: 8)
      // Eight times a third of the period: neither at once nor hardly ever.
      #expect(ContinuousClock.now - start > .milliseconds(500))
      // Also while it is asked for much.
      let caller = try daemon.connect()
      for _ in 0..<50 { _ = try caller.call("org.nbdd.Status") }
      try notifications.await("WATCHDOG=1", count: 10)
    }
  }
}
