// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import NBD

/// A server's end of a connection: requests in, any bytes out.
final class PeerConnection {
  struct Request {
    var header: RequestHeader
    var data: [UInt8]

    var cookie: Cookie { header.cookie }
    var command: NBD.Command? { NBD.Command(rawValue: header.command) }
  }

  let socket: Descriptor
  let replies: ReplyStyle

  init(_ socket: Descriptor, _ replies: ReplyStyle) {
    (self.socket, self.replies) = (socket, replies)
  }

  // MARK: in

  /// Waits for the next request; nil at the end of the connection.
  func next() throws -> Request? {
    guard let bytes = try receive(RequestHeader.byteCount(replies)) else { return nil }
    let isExtended = replies == .extended
    let short: UInt32 = bytes.number(at: 24)
    let header = RequestHeader(
      command: bytes.number(at: 6), flags: CommandFlags(rawValue: bytes.number(at: 4)),
      cookie: bytes.number(at: 8), offset: bytes.number(at: 16),
      length: isExtended ? bytes.number(at: 24) : UInt64(short))
    let isWrite = header.command == NBD.Command.write.rawValue
    guard let data = try receive(isWrite ? Int(header.length) : 0) else { return nil }
    return Request(header: header, data: data)
  }

  /// The next request, which has to be this command.
  func next(_ command: NBD.Command) throws -> Request {
    guard let request = try next() else { throw Wrong("the connection has ended") }
    guard request.command == command else {
      throw Wrong("\(request.header) where a \(command.name) was expected")
    }
    return request
  }

  /// Whether nothing comes within a time that is long enough for something to come.
  func isSilent(for milliseconds: CInt = 150) -> Bool {
    var entry = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&entry, 1, milliseconds) == 0
  }

  /// So many bytes, whatever they are.
  func take(_ count: Int) throws -> [UInt8] {
    guard let bytes = try receive(count) else { throw Wrong("the connection has ended") }
    return bytes
  }

  private func receive(_ count: Int) throws -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      var entry = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
      guard unsafe poll(&entry, 1, 60_000) == 1 else { throw Wrong("the relay sends nothing") }
      let part = unsafe bytes.withUnsafeMutableBytes { room in
        unsafe recv(socket.number, room.baseAddress.map { unsafe $0 + filled }, count - filled, 0)
      }
      guard part > 0 else { return nil }
      filled += part
    }
    return bytes
  }

  // MARK: out

  func send(_ bytes: [UInt8]) {
    _ = unsafe bytes.withUnsafeBytes {
      unsafe Glibc.send(socket.number, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
    }
  }

  func reply(_ request: Request, error: UInt32 = 0, _ data: [UInt8] = []) {
    send(Reply.simple(request.cookie, error: error) + data)
  }

  /// Nothing can be sent to it any more, which the peer learns when it sends.
  func endReceiving() { shutdown(socket.number, CInt(SHUT_RD)) }

  func close() { socket.shutDown() }
}

/// The bytes of replies.
enum Reply {
  static func simple(_ cookie: Cookie, error: UInt32 = 0) -> [UInt8] {
    bytes(0x6744_6698 as UInt32) + bytes(error) + bytes(cookie)
  }

  static func chunk(
    _ cookie: Cookie, _ type: UInt16, last: Bool, _ payload: [UInt8]
  ) -> [UInt8] {
    bytes(0x668e_33ef as UInt32) + bytes(last ? 1 : 0 as UInt16) + bytes(type) + bytes(cookie)
      + bytes(UInt32(payload.count)) + payload
  }

  static func extended(
    _ cookie: Cookie, _ offset: UInt64, _ type: UInt16, last: Bool, _ payload: [UInt8]
  ) -> [UInt8] {
    bytes(0x6e8a_278c as UInt32) + bytes(last ? 1 : 0 as UInt16) + bytes(type) + bytes(cookie)
      + bytes(offset) + bytes(UInt64(payload.count)) + payload
  }

  static func data(_ cookie: Cookie, _ offset: UInt64, _ data: [UInt8], last: Bool) -> [UInt8] {
    chunk(cookie, 1, last: last, bytes(offset) + data)
  }

  static func hole(
    _ cookie: Cookie, _ offset: UInt64, _ length: UInt32, last: Bool
  ) -> [UInt8] {
    chunk(cookie, 2, last: last, bytes(offset) + bytes(length))
  }

  static func none(_ cookie: Cookie) -> [UInt8] { chunk(cookie, 0, last: true, []) }

  /// An error with a text, and a place if there is one.
  static func error(
    _ cookie: Cookie, _ code: UInt32, at offset: UInt64? = nil, last: Bool
  ) -> [UInt8] {
    let text = Array("no".utf8)
    let payload = bytes(code) + bytes(UInt16(text.count)) + text
    return chunk(
      cookie, offset == nil ? 0x8001 : 0x8002, last: last, payload + (offset.map(bytes) ?? []))
  }

  static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
    stride(from: number.bitWidth - 8, through: 0, by: -8).map {
      UInt8(truncatingIfNeeded: number >> $0)
    }
  }
}
