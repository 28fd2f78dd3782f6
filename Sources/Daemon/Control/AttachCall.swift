// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import enum Transport.FailureKind
internal import Varlink

/// A call of Attach, until it is answered: with success, the first failure, or the deadline.
final class AttachCall {
  private let manager: Manager
  private let connection: ControlClient
  /// Given, failed attempts do not answer the call, but the end of this time does.
  private var waitTime: Duration?
  private var timer: Loop.Timer?
  private var isAnswered = false

  init(_ manager: Manager, _ connection: ControlClient) {
    self.manager = manager
    self.connection = connection
  }

  func run(_ parameters: JSON) {
    do throws(ControlError) {
      waitTime = try waitTime(parameters)
      let (device, isNew) = try target(parameters)
      Journal.notice(
        "\(device.name): attach asked for by \(connection.caller)",
        Journal.Fields(device: device.name))
      guard device.state != .attached || device.lifecycle.mountFailure != nil else {
        return succeed(device, changed: false)
      }
      guard device.state != .detaching else {
        throw failure(device, Failure(.detach, "it is being detached; try again when it is"))
      }
      wait(for: device, isNew: isNew)
      device.attach()
    } catch {
      connection.fail(error.name, error.parameters)
    }
  }

  // MARK: what is asked for

  /// The device to attach, and whether it is new: then it is forgotten if that fails.
  private func target(_ parameters: JSON) throws(ControlError) -> (Device, isNew: Bool) {
    let name = parameters["name"]?.string
    let given = parameters["context"].flatMap { $0.isNull ? nil : $0 }
    switch (name, given) {
    case (let name?, nil):
      guard let device = manager.device(named: name) else { throw .noSuchDevice(name) }
      return (device, isNew: false)
    case (nil, let given?):
      return try target(context: given)
    default:
      throw .invalidParameter(name == nil ? "name" : "context")
    }
  }

  private func target(context given: JSON) throws(ControlError) -> (Device, isNew: Bool) {
    var fields = ConfigurationReader(given, file: "context")
    guard let context = DeviceConfiguration(&fields, name: nil, defaults: manager.defaults) else {
      throw .invalid(fields.problems)
    }
    guard let device = manager.device(named: context.name) else {
      let keys = connection.peer.isRoot ? [] : context.keysForRoot(in: given)
      guard keys.isEmpty else { throw .onlyRoot(keys) }
      return (manager.add(context), isNew: true)
    }
    // What waits for the next attempt counts as well: that may be the one that this call asks for.
    for known in [device.configuration, device.nextConfiguration].compactMap(\.self)
    where !known.servesAlike(context) {
      throw ControlError(
        "DeviceExists",
        ["name": JSON(context.name), "message": JSON(Self.difference(context, known))])
    }
    return (device, isNew: false)
  }

  private static func difference(_ context: DeviceConfiguration, _ known: DeviceConfiguration)
    -> String
  {
    guard ExportUse(context).export == ExportUse(known).export else {
      return "\(known.name) is another device (\(known.uri)); choose another name"
    }
    let keys = context.keys(unlike: known).joined(separator: ", ")
    return
      "\(known.name) exists with other settings (\(keys)); detach it first, or give its name only"
  }

  private func waitTime(_ parameters: JSON) throws(ControlError) -> Duration? {
    guard let text = parameters["waitTimeout"]?.string else { return nil }
    guard let time = Quantities.duration(text) else { throw .invalidParameter("waitTimeout") }
    return time
  }

  // MARK: until it is answered

  private func wait(for device: Device, isNew: Bool) {
    if let waitTime {
      timer = Loop.timer(after: waitTime) {
        let message = JSON(device.report.sentence)
        self.give(ControlError("TimedOut", ["name": JSON(device.name), "message": message]))
        if isNew { self.abandon(device) }
      }
    }
    connection.whenAbandoned {
      self.isAnswered = true
      self.timer = nil
      guard isNew else { return }
      Journal.notice(
        "\(device.name): whoever asked for it has gone before it was attached; detaching",
        Journal.Fields(device: device.name))
      self.abandon(device)
    }
    device.observe { observation in
      guard !self.isAnswered else { return true }
      switch observation {
      case .attemptFailed(let failure) where self.waitTime == nil:
        self.give(self.failure(device, failure, retrying: !isNew))
        if isNew { self.abandon(device) }
      case .changed: self.look(at: device)
      default: break
      }
      return self.isAnswered
    }
  }

  private func look(at device: Device) {
    switch device.state {
    case .attached:
      guard var failure = device.lifecycle.mountFailure else {
        return succeed(device, changed: true)
      }
      let node = device.index.map(DeviceNode.path) ?? "a device"
      failure.message = "attached as \(node), but not mounted: \(failure.message)"
      give(self.failure(device, failure))
    case .detached:
      give(failure(device, Failure(.detach, "it was detached meanwhile")))
    case .failed where device.connections?.isAbandoned == true:
      // No connection will come: to wait for one would be for ever.
      give(failure(device, ConnectionSet.abandonment))
    case .reconnecting where device.lifecycle.phase == .held && waitTime == nil:
      let message = device.report.trouble ?? "in use"
      give(failure(device, Failure(.kernel, message), retrying: true))
    default: break
    }
  }

  /// Forgets a device that never came to life.
  private func abandon(_ device: Device) {
    device.isOrphan = true
    if device.lifecycle.phase == .detached {
      manager.forget(device)
    } else {
      device.detach(force: false)
    }
  }

  private func give(_ refusal: ControlError) {
    guard !isAnswered else { return }
    isAnswered = true
    timer = nil
    connection.fail(refusal.name, refusal.parameters)
  }

  private func succeed(_ device: Device, changed: Bool) {
    isAnswered = true
    timer = nil
    connection.reply(
      Reply(parameters: ["device": device.report.json, "changed": JSON(changed)]))
  }

  private func failure(
    _ device: Device, _ failure: Failure, retrying: Bool = false
  ) -> ControlError {
    ControlError(
      "AttachFailed",
      [
        "name": JSON(device.name), "stage": JSON(failure.stage.rawValue),
        "kind": JSON(failure.kind.rawValue), "message": JSON(failure.message),
        "retrying": JSON(retrying),
      ])
  }
}
