// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Identifies a request in its replies: unique among those in flight (T-002).
package typealias Cookie = UInt64

/// A request as it crosses the wire, without its payload (proto.md, *Request message*).
///
/// It is read and written in place, without an allocation.
package struct RequestHeader: Sendable, Equatable {
  /// The number of the command, known or not.
  package var command: UInt16
  /// The command flags.
  package var flags: CommandFlags
  /// The cookie that the replies will carry.
  package var cookie: Cookie
  /// The offset in the export.
  package var offset: UInt64
  /// How many bytes of the export, or of payload if `payloadLength` is set.
  package var length: UInt64

  package init(
    command: UInt16, flags: CommandFlags, cookie: Cookie, offset: UInt64, length: UInt64
  ) {
    self.command = command
    self.flags = flags
    self.cookie = cookie
    self.offset = offset
    self.length = length
  }

  /// How many bytes a request has (T-001).
  package static func byteCount(_ style: ReplyStyle) -> Int { style == .extended ? 32 : 28 }

  /// Reads a request in the compact form; nil if it does not start as one.
  package init?(compact bytes: Span<UInt8>) {
    guard bytes.count >= 28, bytes.number(at: 0) == RequestHeader.compactMagic else { return nil }
    flags = CommandFlags(rawValue: bytes.number(at: 4))
    command = bytes.number(at: 6)
    cookie = bytes.number(at: 8)
    offset = bytes.number(at: 16)
    let length: UInt32 = bytes.number(at: 24)
    self.length = UInt64(length)
  }

  /// Writes the request, whose length fits the form (T-001, T-085).
  package func write(_ style: ReplyStyle, into bytes: inout MutableSpan<UInt8>) {
    let isExtended = style == .extended
    bytes.set(isExtended ? RequestHeader.extendedMagic : RequestHeader.compactMagic, at: 0)
    bytes.set(flags.rawValue, at: 4)
    bytes.set(command, at: 6)
    bytes.set(cookie, at: 8)
    bytes.set(offset, at: 16)
    if isExtended {
      bytes.set(length, at: 24)
    } else {
      bytes.set(UInt32(length), at: 24)
    }
  }

  /// The request as bytes of its own.
  package func bytes(_ style: ReplyStyle) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: RequestHeader.byteCount(style))
    var span = bytes.mutableSpan
    write(style, into: &span)
    return bytes
  }

  /// The disconnect request, which has no reply (T-010, T-095).
  package static func disconnect(_ style: ReplyStyle) -> [UInt8] {
    RequestHeader(
      command: Command.disconnect.rawValue, flags: [], cookie: 0, offset: 0, length: 0
    ).bytes(style)
  }

  private static let compactMagic: UInt32 = 0x2560_9513
  private static let extendedMagic: UInt32 = 0x21e4_1c71
}
