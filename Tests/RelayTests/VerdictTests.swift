// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD
internal import Relay
internal import Testing
internal import TestSupport

/// The relay judges a server's bytes as the commands that talk to it directly do.
struct VerdictTests {
  private static let place: UInt64 = 65536
  private static let requests = [
    Request(.read, offset: place, length: 2048), Request(.write, offset: 0, length: 512),
    Request(.read, offset: place, length: 2048),
  ]

  @Test(arguments: [ReplyStyle.simple, .structured, .extended])
  func `comes to the same end for the same bytes`(_ style: ReplyStyle) throws {
    let peer = try Peer()
    var violations: Set<String> = []
    for seed in 0..<200 {
      var random = SplitMix(seed: UInt64(seed))
      let script = Script(style, &random)
      let (expected, end) = judge(script, style)

      let scene = try Scene()
      let server = try peer.connect(scene, 0, style)
      let cookies = try Self.requests.map {
        try scene.kernel.submit(
          $0.command, $0.offset, Int($0.length),
          data: $0.command == .write ? .pattern(1, Int($0.length)) : [])
      }
      let asked = try cookies.map { _ in try #require(try server.next()).cookie }
      server.send(script.bytes(asked))
      server.close()
      guard case .connection(let reason) = try scene.events.awaitDown() else {
        throw Wrong("another end")
      }
      for (cookie, result) in zip(cookies, expected) where result != nil {
        let answer = try #require(try scene.kernel.answer(cookie), "seed \(seed)")
        #expect(answer.error == result?.error, "seed \(seed)")
        // Where a length is wrong the next message, with another cookie, can be taken for data.
        #expect(answer.data.count == result?.data.count, "seed \(seed)")
        if !script.isSwallowed { #expect(answer.data == result?.data, "seed \(seed)") }
      }
      scene.relay.stop()
      #expect(try scene.hasEnded())
      for (cookie, result) in zip(cookies, expected) where result == nil {
        try scene.kernel.turn(0)
        #expect(scene.kernel.takeAnswer(cookie) == nil, "seed \(seed)")
      }
      if let end {
        #expect(words(end) == words(reason), "seed \(seed)")
        violations.insert(words(end))
      }
    }
    // All kinds of ends have been met.
    #expect(violations.count > (style == .simple ? 3 : 9), "\(violations)")
  }

  /// What the other reader makes of it: answers, and how the connection ended if it did before them.
  private func judge(
    _ script: Script, _ style: ReplyStyle
  ) -> ([KernelSide.Answer?], TransmissionError.Reason?) {
    let export = Export(name: "", sizeBytes: 1 << 30, flags: Peer.usual.union(.hasFlags))
    let stream = Tape(script.bytes([100, 101, 102]))
    let transmission = Transmission(
      Negotiated(export: export, replies: style), over: stream, firstCookie: 100)
    for request in Self.requests {
      let count = request.command == .write ? Int(request.length) : 0
      _ = try? transmission.submit(request, payload: .pattern(1, count))
    }
    var answers: [KernelSide.Answer?] = [nil, nil, nil]
    var end: TransmissionError.Reason?
    while let completion = transmission.next() {
      let index = Int(completion.cookie) - 100
      switch completion.result {
      case .success(.data(let pieces)):
        let data = pieces.flatMap { piece -> [UInt8] in
          switch piece.content {
          case .data(let bytes): bytes
          case .hole(let count): [UInt8](repeating: 0, count: Int(count))
          }
        }
        answers[index] = KernelSide.Answer(error: 0, data: data)
      case .success: answers[index] = KernelSide.Answer(error: 0)
      case .failure(let error):
        switch error.reason {
        case .failed(let failure):
          answers[index] = KernelSide.Answer(error: failure.number.rawValue)
        case .uncovered: answers[index] = KernelSide.Answer(error: 5)
        default: end = error.reason
        }
      }
    }
    return (answers, end)
  }

  /// What kind of end it is, without what differs by the cookies.
  private func words(_ reason: TransmissionError.Reason) -> String {
    switch reason {
    case .violation(.unknownCookie): "unknown cookie"
    case .violation(.magic): "magic"
    case .violation(let violation): "\(violation)"
    case .closed: "closed"
    default: "cut"
    }
  }
}

/// A stream that has only these bytes, and takes any.
private final class Tape: ByteStream {
  private var bytes: [UInt8]
  private var place = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func beginStep() {}
  func write(_ bytes: [UInt8]) {}
  var canSecure: Bool { false }
  func secure() {}
  func restart() -> Bool { false }

  func read(_ count: Int) throws(StreamError) -> [UInt8] {
    let left = bytes.count - place
    guard count <= left else {
      place = bytes.count
      throw .ended(received: left)
    }
    defer { place += count }
    return Array(bytes[place..<(place + count)])
  }
}
