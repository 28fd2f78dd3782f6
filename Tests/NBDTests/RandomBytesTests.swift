// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// Servers that say anything.
struct RandomBytesTests {
  // Whatever comes, the negotiation ends, in an export that can be used or a failure.
  // Rows: N-182, N-184
  @Test(arguments: 0..<8)
  func `never trap the negotiation`(seed: UInt64) {
    var random = SplitMix(state: seed)
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

  // What parses is printed as something that parses to the same.
  // Rows: U-020, U-024
  @Test(arguments: 0..<8)
  func `never trap the reading of a URI`(seed: UInt64) {
    var random = SplitMix(state: seed)
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

/// A generator of the same numbers for the same seed.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
