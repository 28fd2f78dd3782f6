// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import Varlink

extension JSON {
  /// The parameters of a reply as a document for programs.
  var document: String {
    let version = JSON.Member(name: "formatVersion", value: 1)
    return JSON(.object([version] + (members ?? []))).indentedText + "\n"
  }
}

/// A connection to nbdd; its calls block until they are answered, unless there is a limit to that.
final class Client {
  private let socket: StreamSocket
  private let path: String
  /// How long each wait may take, if not without end.
  private let patience: Duration?
  private var deframer = Deframer(limit: 16 << 20)

  init(path: String, within patience: Duration? = nil) throws(Failure) {
    self.path = path
    self.patience = patience
    guard let address = Address.unix(path: Array(path.utf8)) else {
      throw Failure("\(path): not a path of a socket", EX_USAGE)
    }
    do throws(SocketError) {
      socket = try StreamSocket.connect(to: address, within: patience ?? .seconds(10))
    } catch {
      throw Self.failure(error, path)
    }
  }

  /// Calls a method of org.nbdd and answers its reply's parameters.
  func call(_ method: String, _ parameters: JSON = [:]) throws(Failure) -> JSON {
    try send(Call(method: "org.nbdd.\(method)", parameters: parameters))
    return try receive().parameters
  }

  /// Calls a method that answers again and again, until there is no more.
  func follow(
    _ method: String, _ parameters: JSON, _ take: (JSON) throws(Failure) -> Void
  ) throws(Failure) {
    try send(Call(method: "org.nbdd.\(method)", parameters: parameters, more: true))
    while true {
      let reply = try receive()
      try take(reply.parameters)
      if !reply.continues { return }
    }
  }

  private func send(_ call: Call) throws(Failure) {
    let time = patience ?? .seconds(10)
    do throws(SocketError) {
      try socket.send(call.bytes, until: .now + time, time)
    } catch {
      throw Self.failure(error, path)
    }
  }

  private func receive() throws(Failure) -> Reply {
    let message = try nextMessage()
    let reply: Reply
    do throws(MessageError) { reply = try Reply(parsing: message) } catch {
      throw Failure("nbdd's answer makes no sense: \(error.message)", EX_SOFTWARE)
    }
    if let error = reply.error { throw Failure(error, reply.parameters) }
    return reply
  }

  private func nextMessage() throws(Failure) -> [UInt8] {
    while true {
      if let message = deframer.next() { return message }
      let bytes: [UInt8]
      do throws(SocketError) {
        bytes = try socket.receiveSome(
          65536, until: patience.map { .now + $0 }, patience ?? .zero)
      } catch {
        throw Self.failure(error, path)
      }
      guard !bytes.isEmpty else {
        throw Failure("nbdd has closed the connection; was it stopped?", EX_UNAVAILABLE)
      }
      do throws(MessageError) { try deframer.append(bytes) } catch {
        throw Failure("nbdd's answer makes no sense: \(error.message)", EX_SOFTWARE)
      }
    }
  }

  private static func failure(_ error: SocketError, _ path: String) -> Failure {
    switch error {
    case .system(let error) where error.errno == EACCES || error.errno == EPERM:
      Failure("\(path): \(error.reason); you may not talk to nbdd", EX_NOPERM)
    case .system(let error) where error.errno == ENOENT || error.errno == ECONNREFUSED:
      Failure("\(path): \(error.reason); does nbdd run? (systemctl start nbdd)", EX_UNAVAILABLE)
    default: Failure("\(path): \(error)", EX_UNAVAILABLE)
    }
  }
}
