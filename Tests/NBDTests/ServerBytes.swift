// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// What a server can say, as bytes.
enum Server {
  static let fixed = greeting(3)
  static let shortAnswer = hex("0000000000100000 006d")
  static let reserved = [UInt8](repeating: 0, count: 124)
  static let goAcknowledged = acknowledgement(7)
  /// An export of 1 MiB.
  static let export = information(0, "0000000000100000 006d")

  static func greeting(_ flags: UInt8) -> [UInt8] {
    hex("4e42444d41474943 49484156454f5054 00") + [flags]
  }

  static func oldstyle(_ sizeAndFlags: String) -> [UInt8] {
    hex("4e42444d41474943 0000420281861253" + sizeAndFlags) + reserved
  }

  /// A reply; its length is that of `data` unless the header is to say something else.
  static func reply(
    _ option: UInt32, _ type: UInt32, _ data: [UInt8] = [], announcing length: UInt32? = nil
  ) -> [UInt8] {
    hex("0003e889045565a9") + bytes(option) + bytes(type) + bytes(length ?? UInt32(data.count))
      + data
  }

  static func acknowledgement(_ option: UInt32) -> [UInt8] { reply(option, 1) }

  static func refusal(_ option: UInt32, _ number: UInt32, _ text: String = "") -> [UInt8] {
    reply(option, 0x8000_0000 + number, Array(text.utf8))
  }

  static func information(_ type: UInt8, _ data: String) -> [UInt8] {
    reply(7, 3, [0, type] + hex(data))
  }

  static func blockSizes(_ minimum: UInt32, _ preferred: UInt32, _ maximum: UInt32) -> [UInt8] {
    reply(7, 3, [0, 3] + bytes(minimum) + bytes(preferred) + bytes(maximum))
  }

  static func listed(_ name: String, _ description: String = "") -> [UInt8] {
    reply(3, 2, bytes(UInt32(name.utf8.count)) + Array((name + description).utf8))
  }

  /// A metadata context in reply to the option that chooses them, or to another.
  static func context(_ id: UInt32, _ name: String, _ option: UInt32 = 10) -> [UInt8] {
    reply(option, 4, bytes(id) + Array(name.utf8))
  }

  /// An export of 1 MiB, as INFO tells it.
  static let info = reply(6, 3, hex("0000 0000000000100000 006d")) + acknowledgement(6)

  static func bytes(_ number: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
  }
}

/// A server that fails the negotiation: what it says, why that fails, and whether ABORT goes out.
struct Failing: Sendable, CustomStringConvertible {
  let rows: String
  let server: [UInt8]
  let step: NegotiationError.Step
  let reason: NegotiationError.Reason
  let aborts: Bool
  let serverText: String?

  init(
    _ rows: String, _ server: [UInt8], _ step: NegotiationError.Step,
    _ reason: NegotiationError.Reason, aborts: Bool, text: String? = nil
  ) {
    self.rows = rows
    self.server = server
    self.step = step
    self.reason = reason
    self.aborts = aborts
    serverText = text
  }

  var description: String { "\(rows): \(reason)" }

  var error: NegotiationError {
    NegotiationError(step: step, reason: reason, serverText: serverText)
  }
}

/// Plays a failing server and checks the failure, the courtesy, and that nothing follows it.
func expectFailure(_ failing: Failing, _ wanted: ExportRequest = request(details: true)) {
  let stream = ScriptedStream(failing.server, secured: .success([]))
  let error = #expect(throws: NegotiationError.self) { try negotiate(wanted, over: stream) }
  #expect(error == failing.error)
  #expect(stream.options.filter { $0 == 2 }.count == (failing.aborts ? 1 : 0))
  #expect(!failing.aborts || stream.options.last == 2)
}
