// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A request to a server about an attached export; the payload of a write is passed separately.
package struct Request: Sendable, Equatable {
  /// The command.
  package var command: Command
  /// Its flags.
  package var flags: CommandFlags
  /// The offset in the export; 0 for commands without a range (T-010).
  package var offset: UInt64
  /// The length in bytes of the export; 0 for commands without a range.
  package var length: UInt64
  /// For a block status: the ids of the contexts to report; empty means all (T-091).
  package var contexts: [UInt32]

  package init(
    _ command: Command, offset: UInt64 = 0, length: UInt64 = 0, flags: CommandFlags = [],
    contexts: [UInt32] = []
  ) {
    self.command = command
    self.flags = flags
    self.offset = offset
    self.length = length
    self.contexts = contexts
  }

  /// The end of its range; the sum has been checked before any use (T-004).
  var end: UInt64 { offset &+ length }

  /// Whether a range, whose end may overflow, lies inside the request's (T-046, T-049).
  package func covers(_ offset: UInt64, _ count: UInt64) -> Bool {
    offset >= self.offset && offset - self.offset <= length
      && count <= length - (offset - self.offset)
  }

  /// Whether both ranges have a byte in common.
  func overlaps(_ other: Request) -> Bool { offset < other.end && other.offset < end }

  /// The bytes sent ahead of a write's payload (T-001, T-009, T-090, T-091).
  func bytes(_ style: ReplyStyle, _ cookie: Cookie) -> [UInt8] {
    var header = RequestHeader(
      command: command.rawValue, flags: flags, cookie: cookie, offset: offset, length: length)
    var payload: [UInt8] = []
    if !contexts.isEmpty {
      payload.append(number: length)
      for context in contexts { payload.append(number: context) }
      header.length = UInt64(payload.count)
    }
    if style == .extended, command == .write || !contexts.isEmpty {
      header.flags.insert(.payloadLength)
    }
    return header.bytes(style) + payload
  }
}
