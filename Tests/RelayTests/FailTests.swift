// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import NBD
internal import Relay
internal import Testing

/// Giving up what waits for a connection.
struct FailTests {
  private let peer: Peer

  init() throws { peer = try Peer() }

  @Test(arguments: [true, false])
  func `answers what is held with errors, and all well once there is a connection`(
    _ isAsked: Bool
  ) throws {
    let scene = try Scene()
    var server = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    let held = [
      try scene.kernel.read(0, 4096), try scene.kernel.write(0, .pattern(1, 4096)),
      try scene.kernel.submit(.flush), try scene.kernel.submit(.trim, 0, 4096),
    ]
    for _ in held { _ = try server.next() }
    if isAsked {
      scene.relay.fail()
      #expect(try scene.events.awaitDown() == .asked)
    } else {
      server.close()
      #expect(try scene.events.awaitDown() == .connection(.closed))
      for cookie in held {
        #expect(try !scene.kernel.isAnswered(cookie, within: .milliseconds(50)))
      }
      scene.relay.giveUp()
    }
    for cookie in held { #expect(try scene.kernel.answer(cookie)?.error == UInt32(EIO)) }
    #expect(try scene.perform(.read, 0, 512) == UInt32(EIO))
    server = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    let read = try scene.kernel.read(0, 512)
    server.reply(try server.next(.read), .pattern(1, 512))
    #expect(try scene.kernel.answer(read)?.error == 0)
    // The next outage is a pause again.
    server.close()
    try scene.events.awaitDown()
    #expect(try !scene.kernel.isAnswered(scene.kernel.read(0, 512)))
  }

  @Test func `gives nothing up that has a connection`() throws {
    let scene = try Scene()
    let server = try peer.connect(scene)
    try scene.events.wait(for: .up(connection: 0))
    scene.relay.giveUp()
    try scene.events.wait(for: .gaveUp(requests: 0))
    let read = try scene.kernel.read(0, 512)
    _ = try server.next(.read)
    server.close()
    try scene.events.awaitDown()
    #expect(try !scene.kernel.isAnswered(read))
  }

  @Test func `answers writes with errors that there is no room for`() throws {
    let scene = try Scene { $0.unflushedLimit = 32 << 20 }
    let server = try peer.connect(scene)
    let write = try scene.kernel.write(0, .pattern(1, 8 << 20))
    server.reply(try server.next(.write))
    #expect(try scene.kernel.answer(write)?.error == 0)
    server.close()
    try scene.events.awaitDown()
    let cookies = try (0..<4).map {
      try scene.kernel.write(UInt64($0) << 25, .pattern(2, 30 << 20))
    }
    let read = try scene.kernel.read(0, 512)
    for _ in 0..<20 { try scene.kernel.turn(5) }
    scene.relay.giveUp()
    for cookie in cookies { #expect(try scene.kernel.answer(cookie)?.error == UInt32(EIO)) }
    #expect(try scene.kernel.answer(read)?.error == UInt32(EIO))
    let again = try peer.connect(scene)
    again.reply(try again.next(.write))
    try scene.events.wait(for: .up(connection: 0))
    // The room that was missing.
    again.reply(try again.next(.flush))
    #expect(again.isSilent())
  }
}
