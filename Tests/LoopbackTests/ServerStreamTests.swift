// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import NBD
internal import Testing
internal import Transport

/// The life of a connection to a server.
struct ServerStreamTests {
  private let pace = Pace(connectTime: .seconds(60), stepTime: .seconds(60))

  // Rows: N-014
  @Test(
    .enabled(if: Tool.nbdkit.isInstalled, "nbdkit is not installed: apt-get install nbdkit"))
  func `sends small messages at once over TCP, to the usual port by default`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit(onTCP: "127.0.0.1", in: workspace)
      let stream = try ServerStream.connect(to: URI(parsing: server.uri).transport, pace)
      var isOn: CInt = 0
      var length = socklen_t(MemoryLayout<CInt>.size)
      let number = stream.socket.descriptor.number
      #expect(unsafe getsockopt(number, CInt(IPPROTO_TCP), TCP_NODELAY, &isOn, &length) == 0)
      #expect(isOn == 1)
      let usual = try URI(parsing: "nbd://example/").transport
      #expect(usual == .tcp(host: "example", port: 10809))
    }
  }

  @Test(
    .enabled(
      if: Tool.nbdkit.isInstalled && Tool.python.isInstalled,
      "needs nbdkit and python3: apt-get install nbdkit python3"))
  func `gives a message more time as long as enough of it comes`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("pattern", "size=512K", in: workspace)
      let uri = try server.throughMan("trickle-16384", in: workspace)
      let slow = Pace(connectTime: .seconds(60), stepTime: .seconds(2))
      let stream = try ServerStream.connect(to: URI(parsing: uri).transport, slow)
      defer { stream.close() }
      let terms = try NBD.negotiate(ExportRequest(""), over: stream)
      let transmission = Transmission(terms, over: stream)
      var count: UInt64 = 0
      let start = ContinuousClock.now
      try transmission.read(offset: 0, length: 512 << 10) { piece in
        count += piece.length
        return true
      }
      #expect(count == 512 << 10)
      #expect(start.duration(to: .now) > slow.stepTime)
    }
  }

  // Rows: N-164, N-185
  @Test(arguments: ["NBDMAGIC", "not a server", "NBDMAGIC\u{0}\u{0}\u{42}\u{2}\u{1}"])
  func `ends the connection after a listing that failed, and keeps nothing open`(
    _ greeting: String
  ) throws {
    try Workspace.run { workspace in
      let path = workspace.file("socket")
      let listener = try ControlSocket.listen(at: path, group: nil)
      let short = Pace(connectTime: .seconds(60), stepTime: .milliseconds(100))
      weak var held: Descriptor?
      do {
        let stream = try ServerStream.connect(to: .unix(path: Array(path.utf8)), short)
        held = stream.socket.descriptor
        let peer = try eventually("the connection") { try? ControlSocket.accept(on: listener) }
        _ = try ControlSocket.send(Array(greeting.utf8), on: peer)
        #expect(throws: NegotiationError.self) { try NBD.listExports(over: stream) }
        stream.close()
        try eventually("the end of the connection") {
          (try? ControlSocket.receive(from: peer, limit: 100)) == []
        }
        #expect(held != nil)
      }
      #expect(held == nil)
    }
  }
}
