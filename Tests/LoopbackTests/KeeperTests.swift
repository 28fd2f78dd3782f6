// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Keeper
@testable internal import Linux
internal import Testing
internal import TestSupport

/// nbdd-keeper as a real process; without a kernel device, so that it serves nothing.
final class KeeperTests {
  private let directory: TemporaryDirectory
  private let path: String

  init() throws {
    directory = try TemporaryDirectory()
    path = "\(directory.path)/keeper"
    try Linux.Server.start(builtProgram("nbdd-keeper"), listeningAt: path)
  }

  deinit {
    // It would stay as long as it has devices.
    guard let client = try? KeeperClient(at: path) else { return }
    for device in (try? client.list()) ?? [] { try? client.drop(device.name) }
  }

  private func device(_ name: String, sockets: Int = 1) throws -> KeptDevice {
    KeptDevice(
      name: name, record: try MemoryFile(named: name, byteCount: 4096).descriptor,
      node: try Descriptor.open("/dev/null", O_RDWR),
      sockets: try (0..<sockets).map { _ in try SocketPair() })
  }

  private func identity(_ descriptors: [Descriptor]) -> [String] {
    descriptors.map { File.identity(of: $0.number) ?? "?" }
  }

  private static func target(of link: String) -> String {
    var room = [CChar](repeating: 0, count: 256)
    let count = unsafe readlink(link, &room, room.count)
    return String(decoding: room.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// How many files the keeper has open.
  private func openFiles() throws -> Int {
    let line = try #require(
      File.contents(of: "/proc/net/unix")?.split(separator: "\n").first {
        $0.hasSuffix(path) && $0.contains(" 00010000 ")
      })
    let inode = line.split(separator: " ")[6]
    let processes = Directory.names(in: "/proc").compactMap { pid_t($0) }
    let process = try #require(
      processes.first { process in
        File.firstLine(of: "/proc/\(process)/comm") == "nbdd-keeper"
          && Self.target(of: "/proc/\(process)/fd/3") == "socket:[\(inode)]"
      })
    return Directory.names(in: "/proc/\(process)/fd").count
  }

  @Test("keeps all of a device or nothing, if it may not have so many files")
  func limited() throws {
    let script = "\(directory.path)/limited"
    try File.write("#!/bin/sh\nulimit -n 20\nexec '\(builtProgram("nbdd-keeper"))'\n", to: script)
    #expect(unsafe chmod(script, 0o700) == 0)
    let path = "\(script).socket"
    try Linux.Server.start(script, listeningAt: path)
    let client = try KeeperClient(at: path)
    let large = try device("large", sockets: 8)
    #expect {
      try client.keep(large)
    } throws: { error in
      (error as? SystemError)?.errno == EMSGSIZE
    }
    #expect(try client.list().isEmpty)
    try client.keep(try device("small"))
    #expect(try client.list().map(\.name) == ["small"])
    try client.drop("small")
  }

  @Test("keeps what it is given, for whoever comes next")
  func keeps() throws {
    let device = try device("db", sockets: 4)
    let server = try SocketPair()
    do {
      let client = try KeeperClient(at: path)
      try client.keep(device)
      try client.keepServer(of: "db", 7, server.ours)
      try client.keepServer(of: "db", 8, server.kernel)
      try client.releaseServer(of: "db", 8)
      try client.keepServer(of: "unknown", 9, server.kernel)
    }
    let kept = try KeeperClient(at: path).list()
    #expect(kept.map(\.name) == ["db"])
    #expect(kept.first.map { identity($0.descriptors) } == identity(device.descriptors))
    #expect(kept.first?.thread == 0)
    #expect(kept.first?.servers.map(\.number) == [7])
    #expect(kept.first.map { identity($0.servers.map(\.socket)) } == identity([server.ours]))
  }

  @Test("closes what it is to forget, and nothing of others")
  func drops() throws {
    let client = try KeeperClient(at: path)
    try client.keep(device("stays"))
    let before = try openFiles()
    for round in 0..<50 {
      try client.keep(device("goes", sockets: 1 + round % 16))
      try client.keepServer(of: "goes", round, SocketPair().ours)
      // A device that is set up anew replaces the old one.
      if round % 2 == 0 { try client.keep(device("goes")) }
      try client.drop("goes")
    }
    #expect(try openFiles() == before)
    #expect(try client.list().map(\.name) == ["stays"])
  }

  @Test("keeps another Record of a device, and closes the one before")
  func replaces() throws {
    let client = try KeeperClient(at: path)
    try client.keep(device("x"))
    try client.keep(device("other"))
    let before = try openFiles()
    let record = try MemoryFile(named: "new", byteCount: 4096).descriptor
    try client.replaceRecord(of: "x", with: record)
    #expect(try openFiles() == before)
    let devices = try client.list()
    #expect(identity([devices[0].record]) == identity([record]))
    #expect(identity([devices[1].record]) != identity([record]))
    #expect(throws: SystemError("nbdd-keeper", ENOENT)) {
      try client.replaceRecord(of: "none", with: record)
    }
  }

  @Test("lists hundreds of devices")
  func many() throws {
    let client = try KeeperClient(at: path)
    for number in 0..<200 { try client.keep(device("d\(number)", sockets: 2)) }
    #expect(try client.list().map(\.name) == (0..<200).map { "d\($0)" })
  }

  @Test("tells when a device has ended, and serves none twice")
  func ends() throws {
    let (client, watcher) = (try KeeperClient(at: path), try KeeperClient(at: path))
    try watcher.watch()
    try client.keep(device("null"))
    // The kernel does not serve /dev/null.
    #expect(try client.park("null") > 1)
    let event = try eventually("the end") { (try? watcher.event()).flatMap { $0 } }
    #expect(event == KeeperMessage(.ended, "null", UInt64(ENOTTY)))
    #expect(throws: SystemError("nbdd-keeper", EEXIST)) { try client.park("null") }
    #expect(throws: SystemError("nbdd-keeper", ENOENT)) { try client.park("other") }
    #expect(try client.list().map(\.thread) == [0])
    // Whoever comes later is told as well.
    let late = try KeeperClient(at: path)
    try late.watch()
    #expect(try eventually("the end") { (try? late.event()).flatMap { $0 } }.name == "null")
  }

  @Test("ends a device when its time has come")
  func timeIsUp() throws {
    let client = try KeeperClient(at: path)
    let (now, later) = (try device("now"), try device("later"))
    try client.keep(now)
    try client.keep(later)
    try client.end("later", after: .seconds(3600))
    try client.end("now", after: .milliseconds(50))
    try eventually("the end of the socket") {
      (try? now.sockets[0].kernel.receive(into: Region(byteCount: 4096), at: 0, 1)) == .some(0)
    }
    #expect(try later.sockets[0].kernel.receive(into: Region(byteCount: 4096), at: 0, 1) == nil)
  }

  @Test("survives what is no message")
  func nonsense() throws {
    let client = try KeeperClient(at: path)
    try client.keep(device("db"))
    let socket = try MessageSocket.connect(to: path)
    let before = try openFiles()
    var random = SplitMix(seed: 5)
    for _ in 0..<300 {
      var bytes = KeeperMessage(.keep, "x", 1).bytes
      for _ in 0..<4 {
        bytes[Int.random(in: 0..<24, using: &random)] = .random(in: 0...255, using: &random)
      }
      bytes = Array(
        bytes.prefix(Bool.random(using: &random) ? 256 : Int.random(in: 1..<256, using: &random)))
      let descriptors = try (0..<Int.random(in: 0...5, using: &random)).map { _ in
        try Descriptor.open("/dev/null", O_RDONLY)
      }
      try socket.send(bytes, descriptors, waits: true)
      while try socket.receive(KeeperMessage.byteCount, waits: false) != nil {}
    }
    let names = try client.list().map(\.name)
    #expect(names.contains("db"))
    for name in names where name != "db" { try? client.drop(name) }
    #expect(try openFiles() <= before + 5)
  }
}
