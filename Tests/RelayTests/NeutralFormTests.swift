// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import CLinux
internal import Glibc
internal import Linux
internal import NBD
@testable internal import Relay
internal import Synchronization
internal import Testing
internal import TestSupport
internal import Transport

extension RecordTests {
  /// What a relay leaves for a successor of any version.
  @Suite struct NeutralFormTests {
    private let pair: SocketPair
    private let kernel: KernelSide

    init() throws {
      pair = try SocketPair()
      kernel = KernelSide(pair.kernel)
    }

    // MARK: by itself

    /// A form with a chunk of each kind, byte by byte as it is documented: no version may read it differently.
    private static let example: [[UInt8]] = [
      chunk(1, Array("{}".utf8)),
      chunk(2, since: 7, arrived: 512, request(1, cookie: 11, 4096, 512) + .pattern(1, 512)),
      chunk(2, since: 8, request(0, cookie: 12, 8192, 1024)),
      chunk(2, since: 9, arrived: 300, request(1, cookie: 13, 65536, 700) + .pattern(2, 300)),
      chunk(5, .pattern(3, 77)),
      chunk(6, arrived: 512, request(1, cookie: 0, 1 << 20, 512) + .pattern(4, 512)),
      chunk(6, request(6, cookie: 0, 2 << 20, 4096)),
    ]

    private static func chunk(
      _ kind: UInt64, since: UInt64 = 0, arrived: Int = 0, _ bytes: [UInt8]
    ) -> [UInt8] {
      let words = [kind, since, UInt64(arrived), UInt64(bytes.count)]
      let padding = [UInt8](repeating: 0, count: -bytes.count & 7)
      return words.flatMap(Self.bytes(of:)) + bytes + padding
    }

    private static func bytes(of word: UInt64) -> [UInt8] {
      (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) }
    }

    private static func request(
      _ command: UInt16, cookie: UInt64, _ offset: UInt64, _ length: UInt64
    ) -> [UInt8] {
      [0x25, 0x60, 0x95, 0x13, 0, 0, 0, UInt8(command)]
        + bytes(of: cookie).reversed() + bytes(of: offset).reversed()
        + bytes(of: length).reversed().suffix(4)
    }

    /// Memory with a form for one socket.
    private static func file(_ chunks: [[UInt8]]) throws -> MemoryFile {
      let bytes = chunks.flatMap { $0 }
      let file = try MemoryFile(named: "form", byteCount: (4096 + bytes.count + 4095) & ~4095)
      let region = try Region(file, at: 0, byteCount: file.byteCount)
      let words: [Int: UInt64] = [
        0: 0x6e62_6464_5265_6364, 8: 0, 16: 1, 24: 1 << 20, 32: UInt64(file.byteCount),
        40: 4096 + UInt64(bytes.count), 152: 1, 160: 5, 176: 3,
      ]
      for (place, word) in words { region.store(word, at: place) }
      RobustMutex(in: region, at: 64).initialize()
      region.write(4096, bytes.count) { span in
        for index in bytes.indices { span[index] = bytes[index] }
      }
      return file
    }

    private func continuing(_ file: MemoryFile) throws -> Record {
      try Record.continuing(file.descriptor, named: "test", [pair]) { _ in }
    }

    private func chunks(of record: Record) throws -> [UInt8] {
      let form = try NeutralForm.write(record, named: "again")
      let region = try Region(form, at: 0, byteCount: form.byteCount)
      let end = Int(region.load(40))
      return region.read(4096, end - 4096) { bytes in bytes.indices.map { bytes[$0] } }
    }

    @Test("is read as it is documented, and written as it was read")
    func documented() throws {
      let record = try continuing(try Self.file(Self.example))
      #expect(record.text == Array("{}".utf8))
      #expect(record.outagePolicy == 1)
      #expect(record.lastSign == 5)
      #expect(record.successions == 3)
      #expect(try chunks(of: record) == Self.example.flatMap { $0 })
      let unread = [Self.example[0], Self.chunk(4, .pattern(5, 20))]
      #expect(try chunks(of: try continuing(try Self.file(unread))) == unread.flatMap { $0 })
      let refused = [
        Self.example[0], Self.chunk(3, since: 2, arrived: 100, Self.request(1, cookie: 1, 0, 512)),
      ]
      #expect(try chunks(of: try continuing(try Self.file(refused))) == refused.flatMap { $0 })
    }

    @Test("says what a relay has to do next")
    func continued() throws {
      let peer = try Peer()
      let events = Events()
      let settings = DeviceRelay.Settings(requestTimeout: .seconds(3600), unflushedLimit: 1 << 20)
      var example = Self.example
      // The kernel's end awaits replies that begin with a header.
      let reply: [UInt8] = [0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0] + [0, 0, 0, 0, 0, 0, 0, 1]
      example[4] = Self.chunk(5, Array(reply.dropFirst(3)))
      let record = try continuing(try Self.file(example))
      record.outagePolicy = 0
      let relay = try DeviceRelay(record, [pair], connectionCount: 1, settings) { events.add($0) }
      try Thread.start("relay") { relay.run() }
      defer { relay.stop() }
      // The rest of the write that was arriving, and a flush.
      let rest = [UInt8].pattern(6, 400)
      let kernel = PeerConnection(pair.kernel, .simple)
      kernel.send(rest + Self.request(3, cookie: 14, 0, 0))
      let (stream, end) = try peer.stream()
      let server = PeerConnection(end, .simple)
      let export = Export(name: "", sizeBytes: 1 << 40, flags: Peer.usual.union(.hasFlags))
      relay.use(HandedStream(stream), Negotiated(export: export, replies: .simple), as: 0)
      // What was kept comes first.
      let kept = try server.next(.write)
      #expect(kept.header.offset == 1 << 20)
      #expect(kept.data == .pattern(4, 512))
      server.reply(kept)
      let zeroes = try server.next(.writeZeroes)
      #expect(zeroes.header.offset == 2 << 20)
      server.reply(zeroes)
      var seen: [UInt64: [UInt8]] = [:]
      for _ in 0..<3 {
        let request = try #require(try server.next())
        seen[request.header.offset] = request.data
        if request.command == .read {
          server.reply(request, .pattern(9, 1024))
        } else {
          server.reply(request)
        }
      }
      #expect(seen == [4096: .pattern(1, 512), 8192: [], 65536: .pattern(2, 300) + rest])
      server.reply(try server.next(.flush))
      // The rest of one reply, and four others.
      let byteCount = 13 + 4 * 16 + 1024
      let bytes = try kernel.take(byteCount)
      #expect(Array(bytes.prefix(13)) == Array(reply.dropFirst(3)))
      let cookies = Set([11, 12, 13, 14].map { Self.bytes(of: $0).reversed() as [UInt8] })
      var place = 13
      var found: Set<[UInt8]> = []
      while place < bytes.count {
        let cookie = Array(bytes[place + 8..<place + 16])
        found.insert(cookie)
        place += 16 + (cookie.last == 12 ? 1024 : 0)
      }
      #expect(found == cookies)
    }

    @Test("is not used twice")
    func once() throws {
      let file = try Self.file(Self.example)
      // As long as nothing has taken its place, it counts.
      #expect(throws: Record.Flaw.self) {
        try Record.continuing(file.descriptor, named: "test", [pair]) { _ throws(Record.Flaw) in
          throw .notARecord
        }
      }
      _ = try continuing(file)
      #expect(throws: Record.Flaw.isTaken) { try continuing(file) }
    }

    @Test("or a Record with the same is there, wherever the copying ends")
    func everywhere() throws {
      let expected = Self.example.flatMap { $0 }
      var count = 0
      for point in 1...10_000 {
        let file = try Self.file(Self.example)
        let kept = Mutex(try Descriptor.inherited(file.descriptor.number))
        let isOver = try Wakeup()
        let hasEnded = Mutex(false)
        let (pair, descriptor) = (pair, file.descriptor)
        let thread = Mutex<pid_t>(0)
        try Thread.start("copy") {
          thread.withLock { $0 = pid_t(Thread.currentID) }
          isOver.signal()
          crashThread(after: point)
          _ = try? Record.continuing(descriptor, named: "test", [pair]) { record in
            kept.withLock { $0 = record }
          }
          hasEnded.withLock { $0 = true }
        }
        _ = try isOver.wait(within: patience)
        try eventually("the end of the thread") {
          tgkill(getpid(), thread.withLock { $0 }, 0) != 0
        }
        let left = kept.withLock { $0 }
        let record = try Record.continuing(left, named: "test", [pair]) { _ in }
        #expect(try chunks(of: record) == expected, "at \(point)")
        if hasEnded.withLock({ $0 }) { break }
        count = point
      }
      #expect(count > 50)
    }

    @Test("is refused if it contradicts itself")
    func flawed() throws {
      var random = SplitMix(seed: 5)
      let places = 4096..<4096 + Self.example.reduce(0) { $0 + $1.count }
      var (refused, continued) = (0, 0)
      for _ in 0..<1000 {
        let file = try Self.file(Self.example)
        let region = try Region(file, at: 0, byteCount: file.byteCount)
        for _ in 0..<Int.random(in: 1...3, using: &random) {
          let word = Int.random(in: places.lowerBound / 8..<places.upperBound / 8, using: &random)
          let place = Bool.random(using: &random) ? word * 8 : [16, 24, 32, 40][word % 4]
          let bit = UInt64(1) << UInt64.random(in: 0..<64, using: &random)
          region.store(region.load(place) ^ bit, at: place)
        }
        do {
          let record = try continuing(file)
          let relay = try DeviceRelay(
            record, [try SocketPair()], connectionCount: 1,
            DeviceRelay.Settings(requestTimeout: .seconds(1), unflushedLimit: 1 << 20)
          ) { _ in }
          relay.stop()
          relay.run()
          continued += 1
        } catch is Record.Flaw {
          refused += 1
        }
      }
      #expect(refused > 100 && continued > 100)
    }

    @Test("takes along a write of which the kernel has sent a part")
    func part() throws {
      let settings = DeviceRelay.Settings(requestTimeout: .seconds(3600), unflushedLimit: 1 << 20)
      let kernel = PeerConnection(pair.kernel, .simple)
      let data = [UInt8].pattern(7, 8192)
      let bytes = Self.request(1, cookie: 21, 0, 8192) + data
      var left = try Record(named: "test", socketCount: 1, unflushedLimit: 1 << 20).file.descriptor
      // In the header, just after it, in the data, and before its last byte.
      var sent = 0
      for part in [13, 28, 1028, 8219] {
        kernel.send(Array(bytes[sent..<part]))
        sent = part
        let events = Events()
        let record = try Record.continuing(left, named: "test", [pair]) { left = $0 }
        let relay = try DeviceRelay(record, [pair], connectionCount: 1, settings) { events.add($0) }
        relay.leave()
        relay.run()
        left = try relay.neutralForm(named: "test").descriptor
        let chunks = try #require(try NeutralForm(opening: left)).chunks()
        #expect(chunks.map(\.kind) == [.text, part < 28 ? .unread : .request])
        #expect(chunks.last?.arrived == UInt64(max(0, part - 28)))
      }
      kernel.send(Array(bytes[sent...]))
      let record = try Record.continuing(left, named: "test", [pair]) { _ in }
      let relay = try DeviceRelay(record, [pair], connectionCount: 1, settings) { _ in }
      defer { relay.stop() }
      try Thread.start("relay") { relay.run() }
      let (stream, end) = try Peer().stream()
      let server = PeerConnection(end, .simple)
      let export = Export(name: "", sizeBytes: 1 << 40, flags: Peer.usual.union(.hasFlags))
      relay.use(HandedStream(stream), Negotiated(export: export, replies: .simple), as: 0)
      let write = try server.next(.write)
      #expect(write.data == data)
      server.reply(write)
      #expect(try kernel.take(16).suffix(8) == Self.bytes(of: 21).reversed()[...])
    }

    // MARK: under load

    @Test("carries a load from relay to relay", arguments: [false, true])
    func load(inPieces: Bool) throws {
      if inPieces {
        var size: CInt = 4608
        let length = socklen_t(MemoryLayout<CInt>.size)
        for end in [pair.ours, pair.kernel] {
          unsafe setsockopt(end.number, SOL_SOCKET, SO_SNDBUF, &size, length)
        }
      }
      var random = SplitMix(seed: inPieces ? 1 : 2)
      let (peer, server) = (try Peer(), VolatileServer())
      let load = Load([kernel], seed: 3, diskByteCount: 256 << 10, largest: 5, depth: 12)
      var settings = DeviceRelay.Settings(requestTimeout: .seconds(3600), unflushedLimit: 1 << 20)
      settings.quietTime = .milliseconds(1)
      let first = try Record(named: "test", socketCount: 1, unflushedLimit: settings.unflushedLimit)
      var left = first.file.descriptor
      var former: [FormerConnection] = []
      var seen: Set<NeutralForm.Kind> = []
      let last = 30
      for round in 0...last {
        let events = Events()
        let record = try Record.continuing(left, named: "test", [pair]) { left = $0 }
        let relay = try DeviceRelay(
          record, [pair], former: former, connectionCount: 1, settings
        ) { events.add($0) }
        defer { relay.stop() }
        former = []
        try Thread.start("relay") { relay.run() }
        var socket: Descriptor?
        if round == last || Int.random(in: 0..<3, using: &random) > 0 {
          let (stream, end) = try peer.stream()
          let copy = try Descriptor.inherited(stream.socket.descriptor.number)
          socket = copy
          former = [FormerConnection(copy, number: 1)]
          try server.serve(end)
          let export = Export(name: "", sizeBytes: 1 << 30, flags: VolatileServer.flags)
          relay.use(
            HandedStream(stream), Negotiated(export: export, replies: .simple), as: 0, number: 1)
        }
        guard round < last else {
          try load.finish()
          break
        }
        try load.run(for: .milliseconds(Int.random(in: 1...6, using: &random)))
        // Without a connection a relay lets go at once, with whatever it has.
        if Int.random(in: 0..<5, using: &random) > 0 { socket?.shutDown() }
        relay.leave()
        try events.wait(for: .left)
        left = try relay.neutralForm(named: "test").descriptor
        guard let form = try NeutralForm(opening: left) else { throw Wrong("no neutral form") }
        for chunk in try form.chunks() { seen.insert(chunk.kind) }
      }
      #expect(seen.isSuperset(of: [.request, .kept]))
    }
  }
}
