// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI
internal import Dispatch
internal import Glibc
internal import Linux
internal import Varlink

/// The control socket: takes connections and answers their calls.
final class ControlService {
  private let manager: Manager
  private let description = ServiceDescription.nbdd
  private var listener: (any DispatchSourceRead)?
  private var pause: Loop.Timer?
  private var connections: [ObjectIdentifier: ControlClient] = [:]
  private var watches: [ObjectIdentifier: Watch] = [:]
  private let socketGroup: UInt32?
  private let hangUps: HangUps
  private var hangUpSource: (any DispatchSourceRead)?
  /// Users of whom one was turned away, as the log says already.
  private var turnedAway: Set<UInt32> = []
  private var turningAwayPace = LogRateLimit()

  /// How many may be connected at a time, how many of these places are for root alone, and how many
  /// one other user may have.
  private static let connectionLimit = 256
  private static let connectionLimitForRoot = 32
  private static let connectionLimitPerUser = 32
  static let defaultPath = "/run/nbdd/org.nbdd"
  /// The file to remove at the end; not if systemd made it.
  private static var ownPath: String?

  /// Listens on the socket that systemd handed over, else on one of its own at `path`.
  init(_ manager: Manager, path: String) throws(SystemError) {
    self.manager = manager
    hangUps = try HangUps()
    let socket: Descriptor
    if let inherited = try ServiceManager.inheritedSocket() {
      socket = inherited
    } else {
      if path == Self.defaultPath { try makeDirectories("/run/nbdd") }
      socket = try ControlSocket.listen(at: path, group: ControlSocket.group(named: "nbdd"))
      Self.ownPath = path
    }
    socketGroup = ControlSocket.group(of: socket)
    listen(on: socket)
    hangUpSource = Loop.onReadable(hangUps.descriptor) { self.hangUp() }
    manager.onChange = { device, name in
      let watches = self.watches.values.filter { $0.follows(name) }
      guard !watches.isEmpty else { return }
      let event = Watch.Event(device == nil ? "removed" : "changed", device, name)
      for watch in watches { watch.tell(event) }
    }
  }

  static func removeSocket() {
    if let ownPath { removeFile(ownPath) }
  }

  private func listen(on socket: Descriptor) {
    listener = Loop.onReadable(socket) { self.accept(on: socket) }
  }

  private func accept(on socket: Descriptor) {
    do throws(SystemError) {
      while let descriptor = try ControlSocket.accept(on: socket) {
        let peer = try ControlSocket.peer(of: descriptor)
        if let limit = limit(for: peer) {
          // Closed at once: that is all that can be afforded for it.
          turnAway(peer, limit)
          continue
        }
        try hangUps.add(descriptor)
        admit(ControlClient(descriptor, peer) { self.answer($0, on: $1) })
      }
    } catch {
      // Out of descriptors, say: the client goes on waiting in the backlog, and the loop would come
      // here again at once.
      Journal.warning("control socket: \(error); trying again in 1 s")
      listener?.cancel()
      pause = Loop.timer(after: .seconds(1)) { self.listen(on: socket) }
    }
  }

  private func admit(_ connection: ControlClient) {
    let id = ObjectIdentifier(connection)
    connections[id] = connection
    connection.onClose = {
      self.connections[id] = nil
      self.watches[id] = nil
      self.turnedAway.remove(connection.peer.user)
    }
  }

  /// The limit that one more connection would be above, in words.
  private func limit(for peer: ControlSocket.Peer) -> String? {
    let others = connections.values.filter { $0.peer.user != 0 }
    let own = others.filter { $0.peer.user == peer.user }.count
    return if connections.count >= Self.connectionLimit {
      "there are \(Self.connectionLimit) connections"
    } else if peer.user == 0 {
      nil
    } else if own >= Self.connectionLimitPerUser {
      "this user has \(Self.connectionLimitPerUser) connections"
    } else if others.count >= Self.connectionLimit - Self.connectionLimitForRoot {
      "users other than root have \(others.count) connections"
    } else {
      nil
    }
  }

  private func turnAway(_ peer: ControlSocket.Peer, _ limit: String) {
    guard turnedAway.insert(peer.user).inserted, let addition = turningAwayPace.admit(at: .now)
    else { return }
    Journal.warning(
      "control socket: turned uid \(peer.user), pid \(peer.process) away: \(limit), the most there "
        + "may be\(addition)")
  }

  private func hangUp() {
    while let number = hangUps.next() {
      connections.values.first { $0.descriptor.number == number }?.hangUp()
    }
  }

  // MARK: calls

  private func answer(_ call: Call, on connection: ControlClient) {
    if let reply = description.answer(call) { return connection.reply(reply) }
    switch call.method {
    case "org.nbdd.Status": status(call, connection)
    case "org.nbdd.Watch": watch(call, connection)
    case _ where !mayChange(connection.peer):
      connection.fail("org.varlink.service.PermissionDenied", [:])
    case _ where manager.isStopping: connection.fail("org.nbdd.ShuttingDown", [:])
    case "org.nbdd.Attach": AttachCall(manager, connection).run(call.parameters)
    case "org.nbdd.Detach": Change(manager: manager, connection: connection).detach(call.parameters)
    case "org.nbdd.Reconnect":
      Change(manager: manager, connection: connection).reconnect(call.parameters)
    case "org.nbdd.Fail": Change(manager: manager, connection: connection).fail(call.parameters)
    case "org.nbdd.Reload": Change(manager: manager, connection: connection).reload()
    case let method:
      connection.fail("org.varlink.service.MethodNotImplemented", ["method": JSON(method)])
    }
  }

  private func mayChange(_ peer: ControlSocket.Peer) -> Bool {
    peer.isRoot || socketGroup.map(peer.groups.contains) == true
  }

  private func status(_ call: Call, _ connection: ControlClient) {
    let name = call.parameters["name"]?.string
    if let name, manager.device(named: name) == nil {
      return connection.fail("org.nbdd.NoSuchDevice", ["name": JSON(name)])
    }
    let devices = manager.sorted.filter { name == nil || $0.name == name }
    connection.reply(Reply(parameters: ["devices": JSON(.array(devices.map(\.report.json)))]))
  }

  private func watch(_ call: Call, _ connection: ControlClient) {
    guard call.more else { return connection.fail("org.varlink.service.ExpectedMore", [:]) }
    let name = call.parameters["name"]?.string
    if let name, manager.device(named: name) == nil {
      let refusal = ControlError.noSuchDevice(name)
      return connection.fail(refusal.name, refusal.parameters)
    }
    let watch = Watch(connection, manager, name: name)
    watches[ObjectIdentifier(connection)] = watch
    watch.start()
  }
}

extension ServiceDescription {
  /// What nbdd says of itself.
  fileprivate static var nbdd: ServiceDescription {
    do throws(InterfaceError) {
      return try ServiceDescription(
        vendor: "The nbdd authors", product: "nbdd", version: Version.text,
        url: "https://nbdd.org/", interfaces: [ControlInterface.text])
    } catch {
      // The text is part of the program, and a test parses it.
      preconditionFailure("org.nbdd: \(error)")
    }
  }
}
