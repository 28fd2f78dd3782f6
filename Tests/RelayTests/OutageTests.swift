// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Relay
internal import Testing
internal import Transport

/// Outages under load: every request is answered once, without an error, and all data is right.
@Suite(.needsServers)
struct OutageTests {
  struct Plan: CustomTestStringConvertible {
    var link = Server.Link.unix
    var connections = 1
    var sockets = 1
    var replies = ReplyStyle.structured
    var testDescription: String {
      "\(link), \(connections) connections, \(sockets) sockets, \(replies)"
    }
  }

  static let plans = [
    Plan(), Plan(connections: 4), Plan(connections: 4, sockets: 4),
    Plan(link: .tcp, replies: .simple),
    Plan(link: .tcp, connections: 4, sockets: 2), Plan(link: .certificate),
    Plan(link: .certificate, connections: 2),
    Plan(link: .preSharedKey),
  ]

  @Test(arguments: plans)
  func `loses and mixes nothing up when the server is killed again and again`(_ plan: Plan) throws {
    let server = try Server(
      "--filter=cache", "--filter=delay", "file", "@/image", "cache=writeback", "delay-write=1ms",
      "delay-read=1ms", link: plan.link)
    let scene = try Scene(connections: plan.connections, sockets: plan.sockets) {
      $0.unflushedLimit = 4 << 20
    }
    let load = Load(scene.kernels, seed: UInt64(plan.connections))
    for _ in 0..<8 {
      for connection in 0..<plan.connections {
        try scene.connect(connection, to: server, plan.replies)
      }
      try scene.events.wait { if case .up = $0 { true } else { false } }
      try load.run(for: .milliseconds(120))
      server.kill()
      // What is under way now is not answered before there is a server again.
      try load.run(for: .milliseconds(20))
      try server.start()
    }
    for connection in 0..<plan.connections {
      try scene.connect(connection, to: server, plan.replies)
    }
    try load.finish()
    #expect(load.count > 50)
    for connection in 0..<plan.connections {
      try scene.events.wait(for: .up(connection: connection))
    }
  }

  @Test func `goes on with the other connections when one is lost`() throws {
    // With several threads for a connection nbdkit 1.32 may abort when one ends in the middle.
    let server = try Server("--threads=1", "memory", "64M")
    let scene = try Scene(connections: 4)
    var streams: [Descriptor] = []
    func connect(_ connection: Int) throws {
      let (stream, terms) = try server.connect()
      streams[connection] = stream.socket.descriptor
      scene.relay.use(HandedStream(stream), terms, as: connection)
      try scene.events.wait(for: .up(connection: connection))
    }
    for connection in 0..<4 {
      streams.append(scene.kernel.socket)
      try connect(connection)
    }
    // One that is lost with a flush or a durable write under way would take the others with it.
    let load = Load(scene.kernels, seed: 11, flushes: false)
    for round in 0..<20 {
      try load.run(for: .milliseconds(20))
      let connection = round % 4
      streams[connection].shutDown()
      let before = load.count
      try eventually("an answer over another") {
        try load.run(for: .milliseconds(10))
        let state = server.state
        if state != "runs" { throw Wrong("the server \(state)") }
        return load.count > before
      }
      try scene.events.awaitDown(connection)
      // It joins the others, which go on.
      let (stream, terms) = try server.connect()
      streams[connection] = stream.socket.descriptor
      scene.relay.use(HandedStream(stream), terms, as: connection)
      try load.run(for: .milliseconds(20))
      try scene.events.wait(for: .up(connection: connection))
    }
    try load.finish()
  }
}
