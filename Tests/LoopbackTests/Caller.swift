// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
internal import Base
internal import Glibc
@testable import Linux
internal import Testing
internal import Varlink

/// A client of the control socket that sends what it likes and checks all that it gets.
final class Caller {
  private let socket: StreamSocket
  private var deframer = Deframer(limit: 64 << 20)
  private static let time = Duration.seconds(60)

  init(_ path: String) throws {
    let address = try #require(Address.unix(path: Array(path.utf8)))
    socket = try StreamSocket.connect(to: address, within: Self.time)
  }

  // MARK: out

  func send(_ bytes: [UInt8]) throws {
    try socket.send(bytes, until: .now + Self.time, Self.time)
  }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  func send(_ call: Call) throws { try send(call.bytes) }

  /// Sends no more, but can still receive.
  func endSending() { shutdown(socket.descriptor.number, CInt(SHUT_WR)) }

  /// A call, and the reply to it.
  func call(_ method: String, _ parameters: JSON = [:], more: Bool = false) throws -> Reply {
    try send(Call(method: method, parameters: parameters, more: more))
    return try reply(to: method)
  }

  // MARK: in

  /// The next reply, held to the interface that the method belongs to.
  func reply(to method: String) throws -> Reply {
    let reply = try #require(try next(), "the connection was closed")
    let problems = try Self.problems(reply, method)
    #expect(problems.isEmpty, "\(reply)")
    return reply
  }

  /// True if the peer has closed the connection, having sent nothing more.
  func isClosed() throws -> Bool { try next() == nil }

  private func next() throws -> Reply? {
    let deadline = ContinuousClock.now + Self.time
    while true {
      if let message = deframer.next() { return try Reply(parsing: message) }
      guard try Readiness.wait(for: [(socket.descriptor, POLLIN)], until: deadline) != 0 else {
        throw Overdue(description: "waited for a reply")
      }
      do throws(SystemError) {
        guard let bytes = try ControlSocket.receive(from: socket.descriptor, limit: 65536) else {
          continue
        }
        if bytes.isEmpty { return nil }
        try? deframer.append(bytes)
      } catch {
        // It closed the connection without reading everything.
        guard error.errno == ECONNRESET else { throw error }
        return nil
      }
    }
  }

  private static func problems(_ reply: Reply, _ method: String) throws -> [Interface.Problem] {
    let texts = [ControlInterface.text, InterfaceText.service]
    let interfaces = try texts.map { text throws(InterfaceError) in try Interface(parsing: text) }
    let name = reply.error ?? method
    let interface = try #require(interfaces.first { name.hasPrefix("\($0.name).") }, "\(name)")
    return reply.error == nil
      ? interface.problems(inReply: reply.parameters, of: method)
      : interface.problems(inError: reply.parameters, named: name)
  }
}
