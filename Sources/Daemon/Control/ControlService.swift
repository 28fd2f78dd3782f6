// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI
internal import Dispatch
internal import Glibc
internal import Linux
internal import Varlink

/// The control socket: accepts clients and carries out their calls.
final class ControlService {
  private let manager: Manager
  private let description = ServiceDescription.nbdd
  private var listener: (any DispatchSourceRead)?
  private var pause: Loop.Timer?
  private var clients: [ObjectIdentifier: ControlClient] = [:]
  private var watches: [ObjectIdentifier: Watch] = [:]
  private let socketGroup: UInt32?
  private let hangUps: HangUps
  private var hangUpSource: (any DispatchSourceRead)?
  /// Users with a rejected client that the log has mentioned already.
  private var turnedAway: Set<UInt32> = []
  private var turningAwayPace = LogRateLimit()

  /// How many clients may be connected at a time, how many of these places are for root alone, and
  /// how many of them one other user may have.
  private static let connectionLimit = 256
  private static let connectionLimitForRoot = 32
  private static let connectionLimitPerUser = 32
  /// The file to remove at the end, unless systemd made it.
  private static var ownPath: String?

  /// Listens on the socket that systemd handed over, else on one of its own at `path`.
  init(_ manager: Manager, path: String) throws(SystemError) {
    self.manager = manager
    hangUps = try HangUps()
    let socket: Descriptor
    if let inherited = try ServiceManager.inheritedSocket() {
      socket = inherited
    } else {
      if path == ControlInterface.defaultSocketPath { try Directory.create("/run/nbdd") }
      socket = try ControlSocket.listen(at: path, group: ControlSocket.group(named: "nbdd"))
      Self.ownPath = path
    }
    socketGroup = ControlSocket.group(of: socket)
    listen(on: socket)
    hangUpSource = Loop.onReadable(hangUps.descriptor) { self.hangUp() }
    manager.onChange = { device, name in
      let watches = self.watches.values.filter { $0.follows(name) }
      guard !watches.isEmpty else { return }
      let event = WatchEvent.Encoded(
        WatchEvent(device == nil ? .removed : .changed, device?.report.status, name: name))
      for watch in watches { watch.tell(event) }
    }
  }

  static func removeSocket() {
    if let ownPath { File.remove(ownPath) }
  }

  private func listen(on socket: Descriptor) {
    listener = Loop.onReadable(socket) { self.accept(on: socket) }
  }

  private func accept(on socket: Descriptor) {
    do throws(SystemError) {
      while let descriptor = try ControlSocket.accept(on: socket) {
        let peer = try ControlSocket.peer(of: descriptor)
        if let limit = limit(for: peer) {
          // It is closed at once: anything else would cost what the limit is meant to save.
          turnAway(peer, limit)
          continue
        }
        try hangUps.add(descriptor)
        admit(ControlClient(descriptor, peer) { self.answer($0, for: $1) })
      }
    } catch {
      // Out of descriptors, for example: the client stays in the backlog, so the loop would come here
      // again at once.
      Journal.warning("control socket: \(error); trying again in 1 s")
      listener?.cancel()
      pause = Loop.timer(after: .seconds(1)) { self.listen(on: socket) }
    }
  }

  private func admit(_ client: ControlClient) {
    let id = ObjectIdentifier(client)
    clients[id] = client
    client.onClose = {
      self.clients[id] = nil
      self.watches[id] = nil
      self.turnedAway.remove(client.peer.user)
    }
  }

  /// The limit that one more connection would exceed, for the log.
  private func limit(for peer: ControlSocket.Peer) -> String? {
    let others = clients.values.filter { $0.peer.user != 0 }
    let own = others.filter { $0.peer.user == peer.user }.count
    return if clients.count >= Self.connectionLimit {
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
      "control socket: rejected uid \(peer.user), pid \(peer.process): \(limit), "
        + "which is the limit\(addition)")
  }

  private func hangUp() {
    while let number = hangUps.next() {
      clients.values.first { $0.descriptor.number == number }?.hangUp()
    }
  }

  // MARK: calls

  private func answer(_ call: Call, for client: ControlClient) {
    if let reply = description.answer(call) { return client.reply(reply) }
    do throws(ControlError) {
      try dispatch(call, for: client)
    } catch {
      client.fail(error)
    }
  }

  private func dispatch(_ call: Call, for client: ControlClient) throws(ControlError) {
    switch call.method {
    case ControlMethod.status.name:
      try StatusCall(manager: manager, client: client).run(parameters(of: call))
    case ControlMethod.watch.name: try watch(call, client)
    case _ where !mayChange(client.peer): throw .permissionDenied
    case _ where manager.isStopping: throw .shuttingDown
    case ControlMethod.attach.name:
      try AttachCall(manager, client).run(
        parameters(of: call), context: call.parameters[AttachParameters.contextName])
    case ControlMethod.detach.name:
      try DetachCall(manager: manager, client: client).run(parameters(of: call))
    case ControlMethod.reconnect.name:
      try ReconnectCall(manager: manager, client: client).run(parameters(of: call))
    case ControlMethod.fail.name:
      try FailCall(manager: manager, client: client).run(parameters(of: call))
    case ControlMethod.reload.name:
      try ReloadCall(manager: manager, client: client).run()
    case ControlMethod.prepareShutdown.name:
      PrepareShutdownCall(manager: manager, client: client).run()
    case let method: client.reply(.methodNotImplemented(method))
    }
  }

  private func parameters<Input: Structure>(of call: Call) throws(ControlError) -> Input {
    do throws(FieldError) {
      return try Input(decoding: call.parameters)
    } catch {
      throw .invalidParameter(error.path)
    }
  }

  private func mayChange(_ peer: ControlSocket.Peer) -> Bool {
    peer.isRoot || socketGroup.map(peer.groups.contains) == true
  }

  private func watch(_ call: Call, _ client: ControlClient) throws(ControlError) {
    guard call.more else { throw .expectedMore }
    let parameters: WatchParameters = try parameters(of: call)
    if let name = parameters.name { _ = try manager.device(called: name) }
    let watch = Watch(client, manager, name: parameters.name)
    watches[ObjectIdentifier(client)] = watch
    watch.start()
  }
}

extension ServiceDescription {
  /// What nbdd reports about itself.
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
