// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import NBD

/// The kernel's side of a socket: requests out, answers in, each cookie answered exactly once.
///
/// For one thread. Nothing waits but `answer`, `turn` and what is built on them.
final class KernelSide {
  struct Answer: Equatable {
    /// 0 is no error.
    var error: UInt32
    var data: [UInt8] = []
  }

  let socket: Descriptor
  /// The relay has closed its end.
  private(set) var isClosed = false
  private var leaving: [UInt8] = []
  private var left = 0
  /// What is awaited, with the number of bytes that a good answer to it has.
  private var awaited: [Cookie: Int] = [:]
  private var answers: [Cookie: Answer] = [:]
  /// The answer that is arriving, from its header on, and how much of it is here.
  private var arriving = [UInt8](repeating: 0, count: SimpleReply.byteCount)
  private var arrived = 0
  private var cookies: Cookie = 0x1234_5678_0000_0000
  /// How many bytes have moved.
  private var progress = 0

  init(_ socket: Descriptor) { self.socket = socket }

  var awaitedCount: Int { awaited.count }

  // MARK: requests

  /// Asks for something, and does not wait.
  func submit(
    _ command: NBD.Command, _ offset: UInt64 = 0, _ length: Int = 0, _ flags: CommandFlags = [],
    data: [UInt8] = []
  ) throws -> Cookie {
    cookies += 1
    let header = RequestHeader(
      command: command.rawValue, flags: flags, cookie: cookies, offset: offset,
      length: UInt64(data.isEmpty ? length : data.count))
    leaving += header.bytes(.simple)
    leaving += data
    awaited[cookies] = command == .read ? length : 0
    try send()
    return cookies
  }

  func read(_ offset: UInt64, _ length: Int) throws -> Cookie { try submit(.read, offset, length) }

  func write(
    _ offset: UInt64, _ data: [UInt8], _ flags: CommandFlags = []
  ) throws -> Cookie {
    try submit(.write, offset, 0, flags, data: data)
  }

  /// Says goodbye.
  func disconnect() throws {
    leaving += RequestHeader.disconnect(.simple)
    try send()
  }

  /// Nothing can be sent to it any more, which the relay learns when it sends.
  func endReceiving() { shutdown(socket.number, CInt(SHUT_RD)) }

  func close() { socket.shutDown() }

  // MARK: answers

  /// Waits for the answer to a request; nil if nothing moves for as long as a test waits.
  ///
  /// How long it takes in all is a question of the machine, and of what else it has to do.
  func answer(_ cookie: Cookie) throws -> Answer? {
    var deadline = ContinuousClock.now + patience
    while answers[cookie] == nil, !isClosed, ContinuousClock.now < deadline {
      let before = progress
      try turn(20)
      if progress > before { deadline = .now + patience }
    }
    return answers.removeValue(forKey: cookie)
  }

  /// Whether an answer has come within a time that is long enough for one.
  func isAnswered(_ cookie: Cookie, within time: Duration = .milliseconds(150)) throws -> Bool {
    let deadline = ContinuousClock.now + time
    while answers[cookie] == nil, ContinuousClock.now < deadline { try turn(10) }
    return answers[cookie] != nil
  }

  func takeAnswer(_ cookie: Cookie) -> Answer? { answers.removeValue(forKey: cookie) }

  /// Sends and receives what can be, after waiting at most so many milliseconds for something.
  func turn(_ milliseconds: CInt) throws {
    try send()
    let events = Int16(POLLIN | (leaving.isEmpty ? 0 : POLLOUT))
    var entry = pollfd(fd: socket.number, events: events, revents: 0)
    guard unsafe poll(&entry, 1, milliseconds) > 0 else { return }
    try receive()
    try send()
  }

  private func send() throws {
    while left < leaving.count, !isClosed {
      let count = unsafe leaving.withUnsafeBytes { bytes in
        let rest = unsafe bytes[left...]
        let flags = CInt(MSG_DONTWAIT | MSG_NOSIGNAL)
        return unsafe Glibc.send(
          socket.number, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count, flags)
      }
      guard count > 0 else { return isClosed = errno != EAGAIN }
      left += count
      progress += count
    }
    (leaving, left) = ([], 0)
  }

  private func receive() throws {
    while true {
      let wanted = arriving.count - arrived
      let count = unsafe arriving.withUnsafeMutableBytes { bytes in
        unsafe recv(
          socket.number, bytes.baseAddress.map { unsafe $0 + arrived }, wanted,
          CInt(MSG_DONTWAIT))
      }
      guard count > 0 else {
        if count == 0 || errno != EAGAIN { isClosed = true }
        return
      }
      arrived += count
      progress += count
      if arrived == arriving.count { try take() }
    }
  }

  /// Takes what has arrived: the header of an answer, or all of it.
  private func take() throws {
    let magic: UInt32 = arriving.number(at: 0)
    let error: UInt32 = arriving.number(at: 4)
    let cookie: UInt64 = arriving.number(at: 8)
    guard magic == 0x6744_6698 else { throw Wrong("an answer that starts with \(magic)") }
    guard let length = awaited[cookie] else { throw Wrong("an answer nobody waits for") }
    let whole = SimpleReply.byteCount + (error == 0 ? length : 0)
    if arriving.count < whole {
      arriving += [UInt8](repeating: 0, count: whole - arriving.count)
      return
    }
    awaited[cookie] = nil
    arriving.removeFirst(SimpleReply.byteCount)
    answers[cookie] = Answer(error: error, data: arriving)
    (arriving, arrived) = ([UInt8](repeating: 0, count: SimpleReply.byteCount), 0)
  }
}

/// How long a test waits for what must come.
let patience = Duration.seconds(60)

/// Something that must not be.
struct Wrong: Error, CustomStringConvertible {
  var description: String

  init(_ description: String) { self.description = description }
}

extension [UInt8] {
  /// A number in the order of the network.
  func number<Number: FixedWidthInteger>(at place: Int) -> Number {
    self[place..<(place + Number.bitWidth / 8)].reduce(0) { $0 << 8 | Number($1) }
  }

  /// Bytes that are hardly found anywhere else: every 512 of them say what they are.
  static func pattern(_ name: Int, _ count: Int) -> [UInt8] {
    var block: [UInt8] = []
    for place in 0..<512 { block.append(UInt8(truncatingIfNeeded: name &* 31 &+ place &* 7)) }
    for place in 0..<8 { block[place] = UInt8(truncatingIfNeeded: name >> (8 * place)) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count + 512 <= count { bytes += block }
    return bytes + block.prefix(count - bytes.count)
  }

  /// Compares at once, where `==` looks at one after the other.
  func isSame(as other: [UInt8]) -> Bool {
    unsafe withUnsafeBytes { own in
      unsafe other.withUnsafeBytes { others in
        guard own.count == others.count else { return false }
        guard let first = own.baseAddress, let second = others.baseAddress else { return true }
        return unsafe memcmp(first, second, own.count) == 0
      }
    }
  }
}
