// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import CLinux
internal import Glibc

/// A UNIX socket of messages, each with descriptors.
///
/// The corresponding C functions are `sendmsg` and `recvmsg`, with `SCM_RIGHTS`.
package struct MessageSocket: Sendable {
  /// The most descriptors of a message; Linux allows 253.
  package static let mostDescriptors = 200

  package let descriptor: Descriptor

  package init(_ descriptor: Descriptor) { self.descriptor = descriptor }

  /// Two connected sockets.
  ///
  /// The corresponding C function is `socketpair`.
  package static func pair() throws(SystemError) -> (MessageSocket, MessageSocket) {
    var ends: [CInt] = [-1, -1]
    try check("socketpair") { unsafe socketpair(AF_UNIX, type, 0, &ends) }
    return (
      MessageSocket(Descriptor(owning: ends[0])), MessageSocket(Descriptor(owning: ends[1]))
    )
  }

  /// Connects to a path; ENOENT, ECONNREFUSED: nobody listens there.
  ///
  /// Blocks while the listener's queue is full.
  package static func connect(to path: String) throws(SystemError) -> MessageSocket {
    let address = try address(path)
    let made = try make()
    try check("connect \(path)") { unsafe address.pass(to: Glibc.connect, made) }
    return MessageSocket(made)
  }

  /// Creates a socket at a path, for its owner only, and listens on it; a socket file there is replaced.
  package static func listen(at path: String) throws(SystemError) -> Descriptor {
    let address = try address(path)
    let made = try make()
    unsafe unlink(path)
    // The file takes over the mode of the socket.
    try check("fchmod") { fchmod(made.number, 0o600) }
    try check("bind \(path)") { unsafe address.pass(to: bind, made) }
    try check("listen") { Glibc.listen(made.number, 64) }
    return made
  }

  private static func address(_ path: String) throws(SystemError) -> Address {
    guard let address = Address.unix(path: Array(path.utf8)), path.utf8.first == UInt8(ascii: "/")
    else { throw SystemError("bind \(path)", ENAMETOOLONG) }
    return address
  }

  private static let type = CInt(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)

  private static func make() throws(SystemError) -> Descriptor {
    Descriptor(owning: try check("socket") { socket(AF_UNIX, type, 0) })
  }

  /// Sends a message; the descriptors stay open here.
  ///
  /// Does not block if `waits` is not set. EAGAIN: the peer has not received what came before; EPIPE: it has gone.
  package func send(
    _ bytes: [UInt8], _ descriptors: [Descriptor], waits: Bool
  ) throws(SystemError) {
    let numbers = descriptors.map(\.number)
    try check("sendmsg") {
      unsafe sendMessage(
        descriptor.number, bytes, bytes.count, numbers, CInt(numbers.count),
        waits ? 0 : CInt(MSG_DONTWAIT))
    }
  }

  /// Receives a message of at most `byteCount` bytes; nil if there is none, empty bytes at the end.
  ///
  /// Does not block if `waits` is not set. EMSGSIZE: descriptors were lost, because this process may not have so many
  /// or the message has too many; what had come is closed.
  package func receive(
    _ byteCount: Int, waits: Bool
  ) throws(SystemError) -> (bytes: [UInt8], descriptors: [Descriptor])? {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    var numbers = [CInt](repeating: -1, count: Self.mostDescriptors)
    var count = CInt(numbers.count)
    do throws(SystemError) {
      let received = try check("recvmsg") {
        unsafe receiveMessage(
          descriptor.number, &bytes, byteCount, &numbers, &count, waits ? 0 : CInt(MSG_DONTWAIT))
      }
      let descriptors = numbers.prefix(Int(count)).map { Descriptor(owning: $0) }
      return (Array(bytes.prefix(received)), descriptors)
    } catch  where error.errno == EAGAIN && !waits {
      return nil
    }
  }
}
