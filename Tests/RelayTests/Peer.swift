// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD
internal import Relay
internal import TestSupport
internal import Transport

/// A server that the test plays itself, after the negotiation.
final class Peer {
  private let directory: TemporaryDirectory
  private let listener: Descriptor

  init() throws {
    directory = try TemporaryDirectory()
    listener = try ControlSocket.listen(at: "\(directory.path)/socket", group: nil)
  }

  /// Gives the relay a connection, and returns its server's end.
  func connect(
    _ scene: Scene, _ connection: Int = 0, _ replies: ReplyStyle = .simple,
    flags: TransmissionFlags = usual, blockSizes: BlockSizes? = nil
  ) throws -> PeerConnection {
    let stream = try stream()
    let export = Export(
      name: "", sizeBytes: 1 << 40, flags: flags.union(.hasFlags), blockSizes: blockSizes)
    scene.relay.use(
      HandedStream(stream.0), Negotiated(export: export, replies: replies), as: connection)
    return PeerConnection(stream.1, replies)
  }

  /// Where clients connect.
  var path: String { "\(directory.path)/socket" }

  /// Both ends of a connection.
  func stream() throws -> (ServerStream, Descriptor) {
    let path = URI.Transport.unix(path: Array(path.utf8))
    return (try ServerStream.connect(to: path, Server.pace), try accept())
  }

  /// The server's end of a connection that somebody makes.
  func accept() throws -> Descriptor {
    var accepted: Descriptor?
    try eventually("a connection") {
      accepted = try ControlSocket.accept(on: listener)
      return accepted != nil
    }
    guard let accepted else { throw Wrong("no connection") }
    try accepted.setBlocking(true)
    return accepted
  }

  static let usual: TransmissionFlags = [
    .sendFlush, .sendFUA, .sendTrim, .sendWriteZeroes, .canMultiConn,
  ]
}
