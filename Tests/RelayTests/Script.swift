// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD
internal import TestSupport

/// What a server says that hardly knows the protocol: messages in reply to two reads and a write.
struct Script {
  private var messages: [(index: Int, make: (Cookie) -> [UInt8])] = []
  /// One message may be taken for the data of another.
  private(set) var isSwallowed = false
  /// How many bytes are left out at the end.
  private var cut = 0
  private static let place: UInt64 = 65536

  init(_ style: ReplyStyle, _ random: inout SplitMix) {
    for _ in 0..<Int.random(in: 1...8, using: &random) {
      let index = Int.random(in: 0..<3, using: &random)
      let isWrong = Int.random(in: 0..<6, using: &random) == 0
      isSwallowed = isSwallowed || isWrong || style == .simple
      let make = isWrong ? wrong(style, &random) : right(index, style, &random)
      messages.append((Int.random(in: 0..<40, using: &random) == 0 ? 3 : index, make))
    }
    if Int.random(in: 0..<4, using: &random) == 0 { cut = Int.random(in: 1...40, using: &random) }
  }

  /// The bytes for requests of these cookies.
  func bytes(_ cookies: [Cookie]) -> [UInt8] {
    let known = cookies + [0x1234]
    return Array(messages.flatMap { $0.make(known[$0.index]) }.dropLast(cut))
  }

  /// A message that has the form of one, whether it fits or not.
  private func right(
    _ index: Int, _ style: ReplyStyle, _ random: inout SplitMix
  ) -> (Cookie) -> [UInt8] {
    let codes: [UInt32] = [0, 1, 5, 12, 22, 28, 75, 95, 999]
    let code = codes[Int.random(in: 0..<codes.count, using: &random)]
    let kind = Int.random(in: 0..<10, using: &random)
    if style == .simple || kind == 9 && style == .structured {
      let isGood = kind < 6
      let data: [UInt8] = isGood && index != 1 ? .pattern(index, 2048) : []
      return { Reply.simple($0, error: isGood ? 0 : code) + data }
    }
    let isLast = Int.random(in: 0..<3, using: &random) == 0
    let start = Self.place + UInt64(Int.random(in: 0..<4, using: &random) * 512)
    let size = Int.random(in: 1...4, using: &random) * 512
    let isOfTheWrite = index == 1 && kind < 8
    switch isOfTheWrite ? 9 : kind {
    case 0, 1:
      // All of it, in two parts.
      let end = Self.place + 1024
      let parts = [UInt8].pattern(index, 2048)
      return {
        Self.chunk(style, index, $0, 1, false, Reply.bytes(end) + parts.suffix(1024))
          + Self.chunk(style, index, $0, 1, true, Reply.bytes(Self.place) + parts.prefix(1024))
      }
    case 2, 3, 4:
      let payload = Reply.bytes(start) + [UInt8].pattern(Int(kind), size)
      return { Self.chunk(style, index, $0, 1, isLast, payload) }
    case 5:
      let payload = Reply.bytes(start) + Reply.bytes(UInt32(size))
      return { Self.chunk(style, index, $0, 2, isLast, payload) }
    case 6:
      let payload = Reply.bytes(code) + Reply.bytes(2 as UInt16) + [0x6e, 0x6f]
      return { Self.chunk(style, index, $0, 0x8001, isLast, payload) }
    case 7:
      let payload = Reply.bytes(code) + Reply.bytes(0 as UInt16) + Reply.bytes(start)
      return { Self.chunk(style, index, $0, 0x8002, isLast, payload) }
    default:
      return { Self.chunk(style, index, $0, 0, true, []) }
    }
  }

  /// A message of any form.
  private func wrong(_ style: ReplyStyle, _ random: inout SplitMix) -> (Cookie) -> [UInt8] {
    let types: [UInt16] = [0, 1, 2, 3, 5, 6, 0x8001, 0x8002, 0x8003, 0xffff]
    let type = types[Int.random(in: 0..<types.count, using: &random)]
    var payload = [UInt8](repeating: 0, count: Int.random(in: 0...30, using: &random))
    for place in payload.indices { payload[place] = UInt8.random(in: 0...2, using: &random) }
    let isLast = Bool.random(using: &random)
    let place = Int.random(in: 0..<24, using: &random)
    let isMutated = Bool.random(using: &random)
    return { [payload] cookie in
      var bytes = Self.chunk(style, 0, cookie, type, isLast, payload)
      // Not in the cookie, which is another one for each reader.
      if isMutated, !(8..<16).contains(place), place < bytes.count { bytes[place] ^= 1 }
      return bytes
    }
  }

  private static func chunk(
    _ style: ReplyStyle, _ index: Int, _ cookie: Cookie, _ type: UInt16, _ isLast: Bool,
    _ payload: [UInt8]
  ) -> [UInt8] {
    style == .extended
      ? Reply.extended(cookie, index == 1 ? 0 : place, type, last: isLast, payload)
      : Reply.chunk(cookie, type, last: isLast, payload)
  }
}
