// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Dispatch
internal import Glibc
internal import Kernel
internal import Varlink

/// The control socket: takes connections and answers their calls.
final class ControlService {
  private let manager: Manager
  private let description = ServiceDescription.nbdd
  private var listener: (any DispatchSourceRead)?
  private var pause: Loop.Timer?
  private var connections: [ObjectIdentifier: Connection] = [:]
  private var watches: [ObjectIdentifier: Watch] = [:]
  private let socketGroup: UInt32?

  /// How many may be connected at a time, and how many of one user other than root.
  private static let connectionLimit = 256
  private static let connectionLimitPerUser = 32
  static let defaultPath = "/run/nbdd/org.nbdd"
  /// The file to remove at the end; not if systemd made it.
  private static var ownPath: String?

  /// Listens on the socket that systemd handed over, else on one of its own at `path`.
  init(_ manager: Manager, path: String) throws(SystemError) {
    self.manager = manager
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
    manager.onChange = { device, name in
      for watch in self.watches.values { watch.tell(device, name) }
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
        let sameUser = connections.values.filter { $0.peer.user == peer.user }.count
        // Closed at once: that is all that can be afforded for it.
        guard connections.count < Self.connectionLimit,
          peer.user == 0 || sameUser < Self.connectionLimitPerUser
        else { continue }
        let connection = Connection(descriptor, peer) { self.answer($0, on: $1) }
        let id = ObjectIdentifier(connection)
        connections[id] = connection
        connection.onClose = {
          self.connections[id] = nil
          self.watches[id] = nil
        }
      }
    } catch {
      // Out of descriptors, say: the client goes on waiting in the backlog, and the loop would come
      // here again at once.
      Journal.warning("control socket: \(error); trying again in 1 s")
      listener?.cancel()
      pause = Loop.timer(after: .seconds(1)) { self.listen(on: socket) }
    }
  }

  // MARK: calls

  private func answer(_ call: Call, on connection: Connection) {
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

  private func status(_ call: Call, _ connection: Connection) {
    let name = call.parameters["name"]?.string
    if let name, manager.device(named: name) == nil {
      return connection.fail("org.nbdd.NoSuchDevice", ["name": JSON(name)])
    }
    let devices = manager.sorted.filter { name == nil || $0.name == name }
    connection.reply(Reply(parameters: ["devices": JSON(.array(devices.map(\.report.json)))]))
  }

  private func watch(_ call: Call, _ connection: Connection) {
    guard call.more else { return connection.fail("org.varlink.service.ExpectedMore", [:]) }
    let name = call.parameters["name"]?.string
    // No device will ever have it, and to compare hostile Unicode can take quadratic time.
    if let name, !Context.isName(name) {
      let refusal = Refusal.noSuchDevice(name)
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
        url: "https://nbdd.org/", interfaces: [InterfaceText.nbdd])
    } catch {
      // The text is part of the program, and a test parses it.
      preconditionFailure("org.nbdd: \(error)")
    }
  }
}
