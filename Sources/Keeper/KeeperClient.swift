// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc
package import Linux

/// A connection to nbdd-keeper; for one thread at a time.
///
/// The functions with a reply block until it has come, which takes as long as the keeper takes to copy descriptors.
package struct KeeperClient: Sendable {
  private let socket: MessageSocket

  /// Readable when there is an event.
  package var descriptor: Descriptor { socket.descriptor }

  /// Connects to the keeper that listens at a path; ENOENT, ECONNREFUSED: there is none.
  package init(at path: String) throws(SystemError) {
    socket = try MessageSocket.connect(to: path)
    let version = try ask(KeeperMessage(.hello, "", KeeperMessage.version)).number
    guard version >= 1 else { throw SystemError("nbdd-keeper", ENOSYS) }
  }

  // MARK: with a reply

  /// Lets the keeper keep a device that is being set up.
  package func keep(_ device: KeptDevice) throws(SystemError) {
    try carryOut(
      KeeperMessage(.keep, device.name, UInt64(device.sockets.count)), device.descriptors)
  }

  /// Lets the keeper's thread serve a device in NBD_DO_IT; returns its id.
  package func park(_ name: String) throws(SystemError) -> Int {
    let reply = try ask(KeeperMessage(.park, name))
    guard reply.verb == .kept, let thread = Int(exactly: reply.number) else {
      throw SystemError("nbdd-keeper", CInt(truncatingIfNeeded: reply.number))
    }
    return thread
  }

  /// Lets the keeper keep another Record of a device, or its neutral form, instead of what it has.
  package func replaceRecord(of name: String, with record: Descriptor) throws(SystemError) {
    try carryOut(KeeperMessage(.replaceRecord, name), [record])
  }

  /// Lets the keeper close what it has of a device.
  package func drop(_ name: String) throws(SystemError) { try carryOut(KeeperMessage(.drop, name)) }

  /// Lets the keeper tell this connection when devices end; from then on, only events are received here.
  package func watch() throws(SystemError) { try carryOut(KeeperMessage(.watch)) }

  /// All devices that it has.
  package func list() throws(SystemError) -> [KeptDevice] {
    try send(KeeperMessage(.list))
    var devices: [KeptDevice] = []
    while true {
      let (message, descriptors) = try receive()
      switch message.verb {
      case .kept:
        guard var device = KeptDevice(name: message.name, descriptors) else { continue }
        device.thread = Int(truncatingIfNeeded: message.number)
        devices.append(device)
      case .server:
        guard let socket = descriptors.first, !devices.isEmpty else { continue }
        devices[devices.count - 1].servers.append(
          (Int(truncatingIfNeeded: message.number), socket))
      default: return devices
      }
    }
  }

  // MARK: without one

  /// Lets the keeper keep a connection to the server.
  ///
  /// Does not block. EAGAIN: the keeper does not respond.
  package func keepServer(
    of name: String, _ number: Int, _ server: Descriptor
  ) throws(SystemError) {
    try send(KeeperMessage(.keepServer, name, UInt64(number)), [server], waits: false)
  }

  /// Lets the keeper close its descriptor of a connection.
  ///
  /// Does not block.
  package func releaseServer(of name: String, _ number: Int) throws(SystemError) {
    try send(KeeperMessage(.releaseServer, name, UInt64(number)), waits: false)
  }

  /// Lets the keeper end a device unless it has ended by then.
  ///
  /// Does not block.
  package func end(_ name: String, after time: Duration) throws(SystemError) {
    try send(KeeperMessage(.end, name, UInt64(max(0, time.milliseconds))), waits: false)
  }

  /// The next event; nil if there is none now.
  ///
  /// Does not block. EPIPE: the keeper has ended.
  package func event() throws(SystemError) -> KeeperMessage? {
    guard let received = try socket.receive(KeeperMessage.byteCount, waits: false) else {
      return nil
    }
    if received.bytes.isEmpty { throw SystemError("nbdd-keeper", EPIPE) }
    return KeeperMessage(received.bytes)
  }

  // MARK: messages

  private func carryOut(
    _ message: KeeperMessage, _ descriptors: [Descriptor] = []
  ) throws(SystemError) {
    let reply = try ask(message, descriptors)
    guard reply.verb == .done, reply.number == 0 else {
      let code = reply.verb == .done ? CInt(truncatingIfNeeded: reply.number) : ENOSYS
      throw SystemError("nbdd-keeper", code)
    }
  }

  private func ask(
    _ message: KeeperMessage, _ descriptors: [Descriptor] = []
  ) throws(SystemError) -> KeeperMessage {
    try send(message, descriptors)
    return try receive().message
  }

  private func send(
    _ message: KeeperMessage, _ descriptors: [Descriptor] = [], waits: Bool = true
  ) throws(SystemError) {
    try socket.send(message.bytes, descriptors, waits: waits)
  }

  private func receive() throws(SystemError) -> (message: KeeperMessage, [Descriptor]) {
    guard let received = try socket.receive(KeeperMessage.byteCount, waits: true),
      let message = KeeperMessage(received.bytes)
    else { throw SystemError("nbdd-keeper", EPIPE) }
    return (message, received.descriptors)
  }
}
