// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Keeper
internal import Linux

/// One loop over the connections of its clients; it never reads from or writes to what it keeps.
///
/// Only its own user may connect, which is root. It ends when it has neither devices nor clients for a while.
final class Keeper {
  private final class Client {
    let socket: MessageSocket
    var isWatching = false
    var isGone = false
    var entry: Int?

    init(_ descriptor: Descriptor) { socket = MessageSocket(descriptor) }
  }

  /// More connections are not accepted.
  private static let mostClients = 256
  /// How long it stays without devices and clients, in milliseconds.
  private static let idleTime: CInt = 10_000

  private let listener: Descriptor
  private let wakeup: Wakeup
  private var clients: [Client] = []
  private var devices: [Device] = []
  private let readiness = Readiness(capacity: mostClients + 2)

  init(_ listener: Descriptor) throws(SystemError) {
    self.listener = listener
    wakeup = try Wakeup()
    try listener.setBlocking(false)
  }

  func run() throws(SystemError) {
    while true {
      readiness.removeAll()
      let door = readiness.add(
        listener, reading: clients.count < Self.mostClients, writing: false)
      let alarm = readiness.add(wakeup.descriptor, reading: true, writing: false)
      for client in clients {
        client.entry = readiness.add(client.socket.descriptor, reading: true, writing: false)
      }
      let isIdle = clients.isEmpty && devices.isEmpty
      let nextEnd = devices.compactMap(\.endAt).min()
      let time = nextEnd.map { CInt(clamping: max(0, ($0 - Clocks.monotonic + 999) / 1000)) }
      readiness.wait(time ?? (isIdle ? Self.idleTime : -1))
      if readiness.isReadable(alarm) {
        wakeup.clear()
        reportEnds()
      }
      for client in clients {
        if let entry = client.entry, readiness.isReadable(entry) { serve(client) }
      }
      clients.removeAll { $0.isGone }
      for device in devices { device.endIfDue(at: Clocks.monotonic) }
      if readiness.isReadable(door) {
        accept()
      } else if isIdle, clients.isEmpty {
        return
      }
    }
  }

  private func accept() {
    guard let descriptor = try? ControlSocket.accept(on: listener),
      (try? ControlSocket.peer(of: descriptor))?.user == getuid()
    else { return }
    clients.append(Client(descriptor))
  }

  private func reportEnds() {
    for device in devices {
      guard let code = device.takeEnd() else { continue }
      for client in clients where client.isWatching {
        send(KeeperMessage(.ended, device.name, UInt64(code)), to: client)
      }
    }
  }

  // MARK: requests

  private func serve(_ client: Client) {
    do throws(SystemError) {
      guard let received = try client.socket.receive(KeeperMessage.byteCount, waits: false) else {
        return
      }
      if received.bytes.isEmpty { return client.isGone = true }
      guard let message = KeeperMessage(received.bytes) else {
        return send(KeeperMessage(.unknownVerb), to: client)
      }
      carryOut(message, received.descriptors, for: client)
    } catch  where error.errno == EMSGSIZE {
      send(KeeperMessage(.done, "", UInt64(EMSGSIZE)), to: client)
    } catch {
      client.isGone = true
    }
  }

  private func carryOut(
    _ message: KeeperMessage, _ descriptors: [Descriptor], for client: Client
  ) {
    var device = devices.first { $0.name == message.name }
    switch message.verb {
    case .hello: send(KeeperMessage(.hello, "", KeeperMessage.version), to: client)
    case .watch:
      client.isWatching = true
      reply(0, to: client)
      // It may have missed the end of some.
      for device in devices {
        if let code = device.result {
          send(KeeperMessage(.ended, device.name, UInt64(code)), to: client)
        }
      }
    case .keep:
      guard device.map({ !$0.isServed }) ?? true else { return reply(EEXIST, to: client) }
      guard let kept = KeptDevice(name: message.name, descriptors),
        kept.sockets.count == Int(truncatingIfNeeded: message.number)
      else { return reply(EINVAL, to: client) }
      devices.removeAll { $0 === device }
      device = nil
      devices.append(Device(kept))
      reply(0, to: client)
    case .park:
      guard let device else { return reply(ENOENT, to: client) }
      do throws(SystemError) {
        let thread = try device.park(wakeup)
        send(KeeperMessage(.kept, device.name, UInt64(thread)), to: client)
      } catch {
        reply(error.errno, to: client)
      }
    case .keepServer:
      if let device, let socket = descriptors.first { device.keep(socket, Int(message.number)) }
    case .releaseServer: device?.release(Int(truncatingIfNeeded: message.number))
    case .end: device?.end(after: Int64(clamping: message.number))
    case .drop:
      guard device.map({ !$0.isServed }) ?? true else { return reply(EBUSY, to: client) }
      devices.removeAll { $0 === device }
      // Its descriptors are closed before the client knows that they are.
      device = nil
      reply(0, to: client)
    case .replaceRecord:
      guard let device else { return reply(ENOENT, to: client) }
      guard descriptors.count == 1 else { return reply(EINVAL, to: client) }
      device.replaceRecord(descriptors[0])
      reply(0, to: client)
    case .list:
      for device in devices {
        let kept = device.kept
        send(
          KeeperMessage(.kept, kept.name, device.isServed ? UInt64(kept.thread) : 0),
          kept.descriptors, to: client)
        for server in kept.servers {
          send(
            KeeperMessage(.server, kept.name, UInt64(server.number)), [server.socket], to: client)
        }
      }
      reply(0, to: client)
    case .done, .kept, .server, .ended, .unknownVerb:
      send(KeeperMessage(.unknownVerb), to: client)
    }
  }

  private func reply(_ code: CInt, to client: Client) {
    send(KeeperMessage(.done, "", UInt64(code)), to: client)
  }

  /// A client that does not receive is not waited for.
  private func send(
    _ message: KeeperMessage, _ descriptors: [Descriptor] = [], to client: Client
  ) {
    for _ in 0..<200 {
      do throws(SystemError) {
        return try client.socket.send(message.bytes, descriptors, waits: false)
      } catch {
        // The client is receiving a long list.
        guard error.errno == EAGAIN || error.errno == ETOOMANYREFS else { break }
        Thread.pause(.milliseconds(5))
      }
    }
    client.isGone = true
  }
}
