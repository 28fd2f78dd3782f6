// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI
internal import Glibc
internal import Linux
internal import Testing
internal import TestSupport
internal import Varlink

/// Text that others chose, where it leaves: to systemd, to the log, to a terminal.
struct BorderTests {
  // A socket's path may hold any byte but NUL.
  private static let path = "/none%0AMAINPID=1%0D%0A%3C3%3Eforged%1B%5B31m%C2%9B%E2%80%AE"
  private static let device = Daemon.device("nbd+unix:///?socket=\(path)", 9000)
  /// Devices that fail with such text, which is made fit where it comes from or only where it leaves, and
  /// what is said before it.
  static let devices = [
    (device, "/none"),
    (
      Daemon.device(
        "nbds+unix:///?socket=/none&tls-hostname=h", 9000,
        #"tlsCertificates: "/none\nMAINPID=1\r\n<3>forged\u001b""#), "open /none"
    ),
  ]

  /// Whether nothing but whole lines of printable text is there.
  private func isHarmless(_ text: String) -> Bool {
    let steers = { (scalar: Unicode.Scalar) in
      scalar != "\n" && (scalar.properties.generalCategory == .control || scalar == "\u{202e}")
    }
    return shownLines(text) == text && !text.unicodeScalars.contains(where: steers)
  }

  private func withDaemon(
    _ device: String = device, _ body: (Daemon, NotificationTests.Notifications) throws -> Void
  ) throws {
    try Workspace.run { workspace in
      let notifications = try NotificationTests.Notifications(in: workspace)
      let daemon = try Daemon(
        in: workspace, ["device": device],
        environment: ["NOTIFY_SOCKET": notifications.path])
      _ = try daemon.awaitFailure(of: "device")
      try body(daemon, notifications)
    }
  }

  @Test(arguments: devices)
  func `tells systemd one thing at a time`(_ device: String, _ start: String) throws {
    try withDaemon(device) { _, notifications in
      let words =
        "STATUS=0 of 1 device attached; device: \(start)"
        + #"\nMAINPID=1\u{d}\n<3>forged\u{1b}"#
      let messages = try notifications.await(words)
      for message in messages { #expect(shown(message) == message) }
    }
  }

  @Test(arguments: devices)
  func `writes nothing into the log that looks like another line`(
    _ device: String, _ start: String
  ) throws {
    try withDaemon(device) { daemon, _ in
      try eventually("the log") { daemon.program.errors.contains("forged") }
      let log = daemon.program.errors
      #expect(isHarmless(log))
      for line in log.split(separator: "\n") {
        #expect(!line.hasPrefix("<3>forged") && !line.hasPrefix("MAINPID"))
      }
    }
  }

  @Test(arguments: [
    ["status"], ["status", "device"], ["attach", "device"], ["status", "--json"],
    ["attach", "nbd+unix:///?socket=\(path)", "--name", "other", "--device", "nbd9001"],
    ["info", "nbd+unix:///?socket=\(path)"], ["list", "nbd+unix:///?socket=\(path)"],
    ["status", "\u{1b}[31m\r\n"], ["detach", "/dev/\u{1b}[31m"], ["\u{1b}[31m"],
    ["list", "nbd://\u{1b}[31m/"], ["status", "--\u{1b}[31m"],
  ])
  func `shows nothing on a terminal that could steer it`(_ arguments: [String]) throws {
    try withDaemon { daemon, _ in
      let program = try daemon.start(arguments)
      _ = try program.wait()
      #expect(isHarmless(program.output), "\(program.output)")
      #expect(isHarmless(program.errors), "\(program.errors)")
      #expect(!(program.output + program.errors).isEmpty)
    }
  }

  @Test func `shows nothing on a terminal whoever answers in nbdd's place`() throws {
    let text = "\r\u{1b}[31m\u{202e}\n"
    try Workspace.run { workspace in
      var device = DeviceStatus()
      device.context.name = text
      device.context.uri = text
      device.runtime.state = .failed
      device.runtime.message = text
      device.runtime.holders = [text]
      device.runtime.device = text
      let inUse = HeldDevice(device: text, holders: [text], message: text)
      let replies = [
        ("status", Reply(parameters: StatusResult(devices: [device]).json)),
        ("detach", Reply(parameters: DetachResult(changed: true, notes: [text]).json)),
        ("detach", ControlError.deviceInUse(inUse).reply),
        ("detach", Reply(parameters: ["changed": JSON(text)])),
        ("detach", Reply(parameters: [:], error: "org.nbdd.DeviceInUse")),
        ("watch", Reply(parameters: WatchEvent(.changed, device, name: text).json)),
      ]
      for (command, reply) in replies {
        let socket = try workspace.responder(String(decoding: reply.bytes, as: UTF8.self))
        let program = try workspace.start(
          [builtProgram("nbdctl"), command] + (command == "detach" ? ["x"] : []),
          environment: ["NBDD_SOCKET": socket])
        _ = try program.wait()
        let shown = program.output + program.errors
        #expect(isHarmless(shown) && !shown.isEmpty, "\(shown)")
        if !shown.contains("invalid reply from nbdd: ") {
          #expect(shown.contains(#"\u{d}\u{1b}[31m\u{202e}\n"#), "\(shown)")
        }
      }
    }
  }

  @Test func `tells faults of a configuration harmlessly`() throws {
    try Workspace.run { workspace in
      for (name, text) in [
        ("a", "{ \"x\u{202e}\": 1, \"x\u{202e}\": 2 }"), ("b", "{ \"\u{1b}[31m\": 1 }"),
        ("c", "{ uri: \"\\u001b[31m\", device: \"\\r\\n\" }"), ("d\n\u{1b}[31m", "{ uri: 3 }"),
      ] {
        try Daemon.declare(name, text, in: workspace)
      }
      let program = try workspace.start([
        builtProgram("nbdd"), "--check", "--config", workspace.file("etc"),
      ])
      #expect(try program.wait() == 78)
      #expect(isHarmless(program.errors), "\(program.errors)")
      #expect(program.errors.contains(#"'x\u{202e}' stands here a second time"#))
    }
  }
}
