// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Glibc
import Synchronization
import Testing
import TestSupport

@testable import Linux

/// The socket through which nbdd is commanded: who may, and what happens to a file in its place.
@Suite(.timeLimit(.minutes(1)))
struct ControlSocketTests {
  private let directory: TemporaryDirectory
  private var path: String { "\(directory.path)/socket" }

  init() throws {
    directory = try TemporaryDirectory()
  }

  private func connect() throws -> Descriptor {
    let address = try #require(Address.unix(path: Array(path.utf8)))
    return try StreamSocket.connect(to: address, within: .seconds(10)).descriptor
  }

  private func listenAndConnect() throws -> (client: Descriptor, server: Descriptor) {
    let listener = try ControlSocket.listen(at: path, group: nil)
    let client = try connect()
    return (client, try #require(try ControlSocket.accept(on: listener)))
  }

  // MARK: listening

  @Test func `without a group the socket is for its owner only`() throws {
    let listener = try ControlSocket.listen(at: path, group: nil)
    #expect(try status().st_mode == S_IFSOCK | 0o600)
    #expect(ControlSocket.group(of: listener) == getegid())
  }

  @Test func `with a group the socket is for its members too`() throws {
    // Root may give it to any group; others only to one of their own.
    let group = geteuid() == 0 ? 12_345 : getegid()
    let listener = try ControlSocket.listen(at: path, group: group)
    let status = try status()
    #expect(status.st_mode == S_IFSOCK | 0o660)
    #expect(status.st_gid == group && status.st_uid == geteuid())
    #expect(ControlSocket.group(of: listener) == group)
  }

  private func status() throws(SystemError) -> stat {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { throw SystemError("stat", errno) }
    return status
  }

  @Test func `of several that replace a dead one, exactly one listens`() throws {
    for round in 0..<100 {
      // A file each: what listens in one round may not be closed yet in the next.
      let path = "\(path)\(round)"
      let address = try #require(Address.unix(path: Array(path.utf8)))
      let dead = Descriptor(owning: socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0))
      #expect(unsafe address.pass(to: bind, dead) == 0)
      let listeners = Mutex<[Descriptor]>([])
      let ended = Mutex(0)
      for _ in 0..<4 {
        try Thread.start("listener") {
          if let listener = try? ControlSocket.listen(at: path, group: nil) {
            listeners.withLock { $0.append(listener) }
          }
          ended.withLock { $0 += 1 }
        }
      }
      while ended.withLock({ $0 < 4 }) { Thread.pause(.milliseconds(1)) }
      #expect(listeners.withLock { $0.count } == 1)
    }
  }

  @Test func `a socket file that nobody answers at is replaced`() throws {
    _ = try ControlSocket.listen(at: path, group: nil)
    let before = try status().st_ino
    let listener = try ControlSocket.listen(at: path, group: nil)
    let client = try connect()
    #expect(try ControlSocket.accept(on: listener) != nil)
    #expect(client.number >= 0 && before > 0)
  }

  @Test func `a socket that somebody answers at is left alone`() throws {
    let listener = try ControlSocket.listen(at: path, group: nil)
    #expect(throws: SystemError("bind \(path)", EADDRINUSE)) {
      try ControlSocket.listen(at: path, group: nil)
    }
    #expect(try ControlSocket.accept(on: listener) != nil)
    _ = try connect()
    #expect(try ControlSocket.accept(on: listener) != nil)
  }

  @Test func `a file that is no socket is never removed`() throws {
    try directory.write("precious", to: "socket")
    #expect(throws: SystemError("bind \(path)", EADDRINUSE)) {
      try ControlSocket.listen(at: path, group: nil)
    }
    #expect(File.contents(of: path) == "precious")
  }

  @Test(arguments: ["relative", "", "\u{0}abstract", "/" + String(repeating: "x", count: 107)])
  func `a path that cannot be one of a socket is an error`(path: String) {
    #expect(throws: SystemError("bind \(path)", ENAMETOOLONG)) {
      try ControlSocket.listen(at: path, group: nil)
    }
  }

  @Test func `a directory that is missing is an error that names the path`() {
    let path = "\(directory.path)/missing/socket"
    #expect(throws: SystemError("bind \(path)", ENOENT)) {
      try ControlSocket.listen(at: path, group: nil)
    }
  }

  @Test func `groups are known by name`() {
    #expect(ControlSocket.group(named: "root") == 0)
    #expect(ControlSocket.group(named: "nbdd has no such group") == nil)
  }

  @Test func `a socket without a path has no group`() throws {
    let address = try #require(Address.unix(path: [0] + Array(path.utf8)))
    let listener = try Listener(address)
    let client = try StreamSocket.connect(to: address, within: .seconds(10))
    #expect(ControlSocket.group(of: client.descriptor) == nil)
    #expect(try ControlSocket.group(of: listener.accept()) == nil)
  }

  // MARK: connections

  @Test func `the kernel tells who is at the other end`() throws {
    let (client, server) = try listenAndConnect()
    for end in [client, server] {
      let peer = try ControlSocket.peer(of: end)
      #expect(peer.user == geteuid())
      #expect(peer.process == getpid())
      #expect(peer.groups.contains(getegid()))
    }
  }

  @Test func `nobody waits, then one, then nobody again`() throws {
    let listener = try ControlSocket.listen(at: path, group: nil)
    #expect(try ControlSocket.accept(on: listener) == nil)
    let client = try connect()
    #expect(try ControlSocket.accept(on: listener) != nil)
    #expect(try ControlSocket.accept(on: listener) == nil)
    #expect(client.number >= 0)
  }

  @Test func `nothing yet, something and the end are told apart`() throws {
    let (client, server) = try listenAndConnect()
    #expect(try ControlSocket.receive(from: server, limit: 8) == nil)
    #expect(try ControlSocket.send([1, 2, 3], on: client) == 3)
    #expect(try ControlSocket.receive(from: server, limit: 2) == [1, 2])
    #expect(try ControlSocket.receive(from: server, limit: 2) == [3])
    #expect(try ControlSocket.receive(from: server, limit: 2) == nil)
    client.shutDown()
    #expect(try ControlSocket.receive(from: server, limit: 2) == [])
  }

  @Test func `a peer that does not read takes only so much, and holds nobody`() throws {
    let (client, server) = try listenAndConnect()
    var sent = 0
    while true {
      let count = try ControlSocket.send([UInt8](repeating: 1, count: 65536), on: server)
      if count == 0 { break }
      sent += count
      try #require(sent < 1 << 28)
    }
    #expect(try ControlSocket.receive(from: client, limit: 1)?.count == 1)
    #expect(try ControlSocket.send([], on: server) == 0)
  }

  @Test func `a peer that has gone is an error`() throws {
    let server = try listenAndConnect().server
    #expect(throws: SystemError("send", EPIPE)) { try ControlSocket.send([1], on: server) }
    #expect(try ControlSocket.receive(from: server, limit: 1) == [])
  }
}
