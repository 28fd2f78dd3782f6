// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing
import TestSupport

/// Servers that say anything.
struct RandomBytesTests {
  // Whatever comes, the negotiation ends, in an export that can be used or a failure.
  // Rows: N-182, N-184
  @Test(arguments: 0..<8)
  func `never trap the negotiation`(seed: UInt64) {
    var random = SplitMix(seed: seed)
    for _ in 0..<1000 {
      let stream = ScriptedStream(script(&random))
      do {
        let export = try negotiate(request("disk", details: true), over: stream).export
        #expect(export.sizeBytes <= UInt64(Int64.max))
        #expect(export.flags != [])
      } catch {
        #expect(!error.description.isEmpty)
      }
      #expect(stream.largestRead <= 65536)
    }
  }

  /// Bytes that get past the first checks more often than not.
  private func script(_ random: inout SplitMix) -> [UInt8] {
    var bytes =
      [Server.fixed, Server.greeting(1), Server.greeting(0), Server.oldstyle(""), []]
      .randomElement(using: &random) ?? []
    for _ in 0..<Int.random(in: 0...6, using: &random) {
      let option: UInt32 = [7, 7, 7, 3, 1].randomElement(using: &random) ?? 7
      let type = [1, 2, 3, 3, 0x8000_0001, 0x8000_0006].randomElement(using: &random) ?? 3
      let count = Int.random(in: 0...20, using: &random)
      var data = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
      if data.count > 2, Bool.random(using: &random) { (data[0], data[1]) = (0, data[1] % 4) }
      let length =
        Int.random(in: 0..<4, using: &random) == 0
        ? UInt32.random(in: .min ... .max, using: &random) : nil
      bytes += Server.reply(option, UInt32(type), data, announcing: length)
    }
    if Bool.random(using: &random), !bytes.isEmpty {
      bytes[Int.random(in: bytes.indices, using: &random)] ^=
        1 << UInt8.random(in: 0..<8, using: &random)
    }
    return bytes + (0..<64).map { _ in UInt8.random(in: .min ... .max, using: &random) }
  }

  // Whatever comes, the listing ends.
  // Rows: N-169, N-182, N-184
  @Test(arguments: 0..<4)
  func `never trap the listing`(seed: UInt64) {
    var random = SplitMix(seed: seed)
    for _ in 0..<500 {
      var bytes = Server.fixed + Server.acknowledgement(8)
      if Bool.random(using: &random) {
        bytes += Server.listed("a") + Server.listed("b") + Server.acknowledgement(3)
      }
      for _ in 0..<Int.random(in: 0...8, using: &random) {
        let option: UInt32 = [3, 6, 9].randomElement(using: &random) ?? 3
        let type = [1, 2, 3, 4, 0x8000_0001].randomElement(using: &random) ?? 3
        let count = Int.random(in: 0...20, using: &random)
        let data = (0..<count).map { _ in UInt8.random(in: 0...8, using: &random) }
        bytes += Server.reply(option, UInt32(type), data)
      }
      let stream = ScriptedStream(bytes)
      _ = try? listExports(over: stream)
      #expect(stream.largestRead <= 65536)
    }
  }

  // Whatever comes, every request ends once, and what a read brings is all that was asked for.
  // Rows: T-027, T-047, T-050, T-099
  @Test(arguments: 0..<8)
  func `never trap the transmission`(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let styles: [ReplyStyle] = [.simple, .structured, .extended]
    for _ in 0..<500 {
      let style = styles.randomElement(using: &random) ?? .simple
      let script = (0..<6).flatMap { _ in message(style, &random) }
      let (transmission, stream) = transmit(terms(style, contexts: [allocation]), script)
      _ = try transmission.submit(Request(.read, length: 8))
      _ = try transmission.submit(Request(.read, offset: 4, length: 8, flags: []))
      _ = try transmission.submit(Request(.write, length: 2), payload: [0, 0])
      if style != .simple { _ = try transmission.submit(Request(.blockStatus, length: 8)) }
      var ended: Set<Cookie> = []
      while let completion = transmission.next() {
        #expect(ended.insert(completion.cookie).inserted)
        if case .success(.data(let pieces)) = completion.result {
          #expect(pieces.reduce(0) { $0 + $1.length } == 8)
        }
      }
      #expect(ended.count == (style == .simple ? 3 : 4))
      #expect(stream.largestRead <= 65536)
    }
  }

  /// A message that is right more often than not.
  private func message(_ style: ReplyStyle, _ random: inout SplitMix) -> [UInt8] {
    let cookie = UInt64.random(in: 1...4, using: &random)
    let begin = UInt64.random(in: 0...8, using: &random)
    let count = Int.random(in: 0...8, using: &random)
    let bytes = (0..<count).map { _ in UInt8.random(in: 0...2, using: &random) }
    guard style != .simple, Int.random(in: 0..<6, using: &random) > 0 else {
      return Wire.simple(cookie, cookie < 3 ? [UInt8](repeating: 1, count: 8) : [])
    }
    let kinds: [(UInt16, [UInt8])] = [
      (0, []), (1, Wire.data(begin, bytes)), (1, Wire.data(begin, bytes)),
      (2, Wire.hole(begin, UInt32(count))), (5, Wire.status(1, [(UInt32(count), 1)])),
      (6, Wire.wideStatus(1, [(UInt64(count), 1)])), (0x8001, Wire.error(5, "a")),
      (0x8002, Wire.error(5, at: begin)), (0x8063, bytes), (7, bytes),
    ]
    let (type, payload) = kinds.randomElement(using: &random) ?? (0, [])
    let isLast = type == 0 || Bool.random(using: &random)
    return style == .structured
      ? Wire.chunk(cookie, type, payload, last: isLast)
      : Wire.extended(cookie, type, at: cookie == 2 ? 4 : 0, payload, last: isLast)
  }

  // What parses is printed as something that parses to the same.
  // Rows: U-020, U-024
  @Test(arguments: 0..<8)
  func `never trap the reading of a URI`(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let pieces = [
      "nbd", "nbds", "+unix", "+vsock", "://", "/", "//", "?", "&", "=", "@", ":", "[::1]", "[",
      "]",
      "%", "%00", "%2f", "%41", "%25", "#", "h", "10809", "0", "x-a", "socket", "tls-type", "psk",
      "tls-hostname", "tls-verify-peer", "1", "é", "\r\n", " ", "\u{301}", "a b", "..",
      "tls-psk-file",
    ]
    for _ in 0..<2000 {
      var text =
        ["nbd://", "nbds://u@h/", "nbd+unix:///?socket=", "nbds+vsock://2", ""]
        .randomElement(using: &random) ?? ""
      for _ in 0..<Int.random(in: 0...8, using: &random) {
        text += pieces.randomElement(using: &random) ?? ""
      }
      do {
        let uri = try URI(parsing: text)
        #expect(try URI(parsing: uri.description) == uri, "\(text)")
      } catch {
        #expect((0...text.count).contains(error.position), "\(text)")
      }
    }
  }
}
