// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI
internal import Glibc
internal import Linux
internal import Varlink

/// What nbdd returned.
struct Response<Value: Structure> {
  /// The reply as received, with anything that a newer nbdd adds to it.
  let json: JSON

  /// The reply as a document for programs.
  var document: String {
    let version = JSON.Member(name: "formatVersion", value: 1)
    return JSON(.object([version] + (json.members ?? []))).indentedText + "\n"
  }

  /// Returns the decoded reply.
  func value() throws(Failure) -> Value {
    do throws(FieldError) {
      return try Value(decoding: json)
    } catch {
      throw Failure("invalid reply from nbdd: \(error)", EX_SOFTWARE)
    }
  }
}

/// A connection to nbdd; calls block until there is a reply, or until the time limit.
final class Client {
  private let socket: StreamSocket
  private let path: String
  /// How long each wait may take; nil: without limit.
  private let limit: Duration?
  private var deframer = Deframer(limit: 16 << 20)

  init(path: String, within limit: Duration? = nil) throws(Failure) {
    self.path = path
    self.limit = limit
    guard let address = Address.unix(path: Array(path.utf8)) else {
      throw Failure("\(path): not a path of a socket", EX_USAGE)
    }
    do throws(SocketError) {
      socket = try StreamSocket.connect(to: address, within: limit ?? .seconds(10))
    } catch {
      throw Self.failure(error, path)
    }
  }

  /// Calls a method and waits for its reply.
  func call<Input, Output>(
    _ method: Method<Input, Output>, _ input: Input = Input()
  ) throws(Failure) -> Response<Output> {
    try send(Call(method: method.name, parameters: input.json))
    return Response(json: try receive().parameters)
  }

  /// Calls a method that replies repeatedly, until there are no more replies.
  func follow<Input, Output>(
    _ method: Method<Input, Output>, _ input: Input,
    _ take: (Response<Output>) throws(Failure) -> Void
  ) throws(Failure) {
    try send(Call(method: method.name, parameters: input.json, more: true))
    while true {
      let reply = try receive()
      try take(Response(json: reply.parameters))
      if !reply.continues { return }
    }
  }

  private func send(_ call: Call) throws(Failure) {
    let time = limit ?? .seconds(10)
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
      throw Failure("invalid reply from nbdd: \(error.message)", EX_SOFTWARE)
    }
    let error: ControlError?
    do throws(FieldError) { error = try ControlError(reply) } catch {
      throw Failure("invalid reply from nbdd: \(error)", EX_SOFTWARE)
    }
    if let error { throw Failure(error) }
    return reply
  }

  private func nextMessage() throws(Failure) -> [UInt8] {
    while true {
      if let message = deframer.next() { return message }
      let bytes: [UInt8]
      do throws(SocketError) {
        bytes = try socket.receiveSome(
          65536, until: limit.map { .now + $0 }, limit ?? .zero)
      } catch {
        throw Self.failure(error, path)
      }
      guard !bytes.isEmpty else {
        throw Failure("nbdd has closed the connection; was it stopped?", EX_UNAVAILABLE)
      }
      do throws(MessageError) { try deframer.append(bytes) } catch {
        throw Failure("invalid reply from nbdd: \(error.message)", EX_SOFTWARE)
      }
    }
  }

  private static func failure(_ error: SocketError, _ path: String) -> Failure {
    switch error {
    case .system(let error) where error.errno == EACCES || error.errno == EPERM:
      Failure("\(path): \(error.reason); you may not talk to nbdd", EX_NOPERM)
    case .system(let error) where error.errno == ENOENT || error.errno == ECONNREFUSED:
      Failure("\(path): \(error.reason); is nbdd running? (systemctl start nbdd)", EX_UNAVAILABLE)
    default: Failure("\(path): \(error)", EX_UNAVAILABLE)
    }
  }
}
