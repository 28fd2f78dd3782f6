// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Glibc
import Linux
import Testing
import TLS

/// Receiving and sending without waiting, where records and what the socket carries do not fall together.
@Suite(.needsPeers) struct FlowTests {
  private let folder: Folder
  private let credentials: Credentials

  init() throws {
    folder = try makeFolder()
    credentials = try TLSTests.credentials(folder)
  }

  private func peer(_ mode: String) throws -> Peer {
    try Peer(folder, mode: mode, folder.certificate("server"))
  }

  @Test(arguments: ["together", "apart", "bytes"], [false, true])
  func `misses nothing that has come`(_ mode: String, _ isBlocking: Bool) throws {
    let peer = try peer(mode)
    let session = try peer.session(credentials)
    if isBlocking {
      #expect(try session.receiveText(10) == "helloworld")
    } else {
      #expect(try receive(10, session) == Array("helloworld".utf8))
    }
  }

  @Test(arguments: [false, true])
  func `takes an end within a record for no end in good order`(_ isBlocking: Bool) throws {
    let peer = try peer("halfway")
    let session = try peer.session(credentials)
    if isBlocking {
      #expect(try session.receiveText(5) == "hello")
      let error = #expect(throws: TLSError.self) { try session.receiveText(5) }
      #expect(error != .ended(received: 0))
    } else {
      #expect(try receive(5, session) == Array("hello".utf8))
      #expect(throws: TLSError.self) { try receive(5, session) }
    }
  }

  @Test func `knows the end in good order`() throws {
    let peer = try peer("hello")
    let session = try peer.session(credentials)
    #expect(try receive(9, session) == Array("hello".utf8))
  }

  @Test func `loses and doubles nothing at a peer that takes little at a time`() throws {
    let peer = try peer("echo")
    let session = try peer.session(credentials)
    narrow(session)
    peer.stop()
    let bytes = pattern(0..<8 << 20)
    let region = try region(bytes)
    var taken = 0
    while let part = try send(region, from: taken, session) { taken += part }
    #expect(session.isSending)
    #expect(taken < 1 << 20)
    peer.resume()
    var echo: [UInt8] = []
    let room = try Region(byteCount: 65_537)
    while echo.count < bytes.count {
      var isBlocked = false
      while taken < bytes.count || session.isSending {
        guard let part = try send(region, from: taken, session) else {
          isBlocked = true
          break
        }
        taken += part
      }
      while let count = try session.receive(into: room, at: 0, room.byteCount) {
        try #require(count > 0)
        room.read(0, count) { span in for place in span.indices { echo.append(span[place]) } }
      }
      guard echo.count < bytes.count else { break }
      try #require(isReady(session, toSend: isBlocked), "\(taken) sent, \(echo.count) received")
    }
    #expect(taken == bytes.count)
    #expect(echo == bytes)
  }

  @Test func `has not sent what the socket has not taken`() throws {
    let peer = try peer("sink")
    let session = try peer.session(credentials)
    narrow(session)
    peer.stop()
    // As much as fits where it waits for the socket.
    #expect(throws: TLSError.timedOut(.milliseconds(200))) {
      try session.send(pattern(0..<100_000), until: .now + .milliseconds(200), .milliseconds(200))
    }
  }

  @Test func `sends all that it was given before it says goodbye`() throws {
    let peer = try peer("sink")
    let session = try peer.session(credentials)
    narrow(session)
    try session.send(pattern(0..<1 << 20), until: .now + patience, patience)
    peer.stop()
    let region = try region(pattern(0..<1 << 20))
    var taken = 0
    while let part = try send(region, from: taken, session) { taken += part }
    #expect(session.isSending)
    peer.resume()
    session.close(within: patience)
    #expect(peer.prints("received: \((1 << 20) + taken)"))
    #expect(peer.prints("end: close_notify"))
  }

  // MARK: what the relay does

  /// Receives so many bytes, or what there is before the end, waiting where nothing else tells of more.
  private func receive(_ count: Int, _ session: Session) throws -> [UInt8] {
    let region = try Region(byteCount: count)
    var received = 0
    while received < count {
      guard let part = try session.receive(into: region, at: received, count - received) else {
        try #require(isReady(session, toSend: false), "\(received) bytes have come")
        continue
      }
      if part == 0 { break }
      received += part
      if received < count, !session.hasMore {
        try #require(isReady(session, toSend: false), "\(received) bytes have come")
      }
    }
    return region.read(0, received) { span in span.indices.map { span[$0] } }
  }

  /// Sends what is taken of the bytes from a place on, in parts of many sizes.
  private func send(_ region: Region, from start: Int, _ session: Session) throws -> Int? {
    let parts = Gather(capacity: 8)
    var place = start
    for size in [28, 100_003, 1, 4096, 28, 16_384, 65_536, 7] {
      let size = min(size, region.byteCount - place)
      parts.add(region, place, size)
      place += size
    }
    return try session.send(parts)
  }

  private func isReady(_ session: Session, toSend: Bool) -> Bool {
    let events = Int16(POLLIN | (toSend ? POLLOUT : 0))
    var entry = pollfd(fd: session.socket.descriptor.number, events: events, revents: 0)
    return unsafe poll(&entry, 1, 20_000) == 1
  }

  /// Has the socket take no more than a few records.
  private func narrow(_ session: Session) {
    var size: CInt = 16_384
    let length = socklen_t(MemoryLayout<CInt>.size)
    unsafe setsockopt(session.socket.descriptor.number, SOL_SOCKET, SO_SNDBUF, &size, length)
  }

  private func region(_ bytes: [UInt8]) throws -> Region {
    let region = try Region(byteCount: bytes.count)
    region.write(0, bytes.count) { span in for place in bytes.indices { span[place] = bytes[place] }
    }
    return region
  }
}
