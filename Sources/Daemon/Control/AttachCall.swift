// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Varlink

/// A call of Attach, until its reply: the device, the first failure, or the timeout.
final class AttachCall {
  private let manager: Manager
  private let client: ControlClient
  /// If given, nbdd retries, and the call ends after this time.
  private var waitTime: Duration?
  private var timer: Loop.Timer?
  private var hasReplied = false

  init(_ manager: Manager, _ client: ControlClient) {
    self.manager = manager
    self.client = client
  }

  /// Carries the call out.
  ///
  /// - Parameters:
  ///   - parameters: What the call asks for.
  ///   - context: The context as it was sent, so that its faults have places.
  /// - Throws: The error to reply with; none if the reply comes later.
  func run(_ parameters: AttachParameters, context: JSON?) throws(ControlError) {
    waitTime = try waitTime(parameters)
    let (device, isNew) = try target(parameters, context)
    client.log("attach", of: device)
    guard
      device.state != .attached || device.lifecycle.mountFailure != nil || device.isMountMissing
    else {
      return succeed(device, changed: false)
    }
    guard device.state != .detaching else {
      throw error(device, Failure(.detach, "it is being detached; try again when it is"))
    }
    wait(for: device, isNew: isNew)
    device.attach()
  }

  // MARK: the request

  /// The device to attach, and whether it is new: then it is forgotten if that fails.
  private func target(
    _ parameters: AttachParameters, _ context: JSON?
  ) throws(ControlError) -> (Device, isNew: Bool) {
    switch (parameters.name, parameters.context == nil ? nil : context) {
    case (let name?, nil): (try manager.device(called: name), isNew: false)
    case (nil, let given?): try target(context: given)
    case (let name, _): throw .invalidParameter(name == nil ? "name" : "context")
    }
  }

  private func target(context given: JSON) throws(ControlError) -> (Device, isNew: Bool) {
    var reader = ConfigurationReader(given, file: ConfigurationProblem.contextFile)
    guard let context = DeviceConfiguration(&reader, name: nil, defaults: manager.defaults) else {
      throw .invalid(reader.problems)
    }
    guard let device = manager.device(named: context.name) else {
      let keys = client.peer.isRoot ? [] : context.keysForRoot(in: given)
      guard keys.isEmpty else { throw .onlyRoot(keys) }
      return (manager.add(context), isNew: true)
    }
    // A configuration that waits for the next attempt counts too: it may be the one that this call
    // asks for.
    for known in [device.configuration, device.nextConfiguration].compactMap(\.self)
    where !known.servesAlike(context) {
      throw .deviceExists(
        DeviceMessage(name: context.name, message: Self.difference(context, known)))
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

  private func waitTime(_ parameters: AttachParameters) throws(ControlError) -> Duration? {
    guard let text = parameters.waitTimeout else { return nil }
    guard let time = Quantities.duration(text) else { throw .invalidParameter("waitTimeout") }
    return time
  }

  // MARK: until the reply

  private func wait(for device: Device, isNew: Bool) {
    if let waitTime {
      timer = Loop.timer(after: waitTime) {
        let message = device.report.sentence
        self.fail(.timedOut(DeviceMessage(name: device.name, message: message)))
        if isNew { self.abandon(device) }
      }
    }
    client.whenAbandoned {
      self.hasReplied = true
      self.timer = nil
      guard isNew else { return }
      Journal.notice(
        "\(device.name): the client that asked for it has gone before it was attached; detaching",
        Journal.Fields(device: device.name))
      self.abandon(device)
    }
    device.observe { observation in
      guard !self.hasReplied else { return true }
      switch observation {
      case .attemptFailed(let failure) where self.waitTime == nil:
        self.fail(self.error(device, failure, retrying: !isNew))
        if isNew { self.abandon(device) }
      case .changed: self.look(at: device)
      default: break
      }
      return self.hasReplied
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
      fail(self.error(device, failure))
    case .detached:
      fail(error(device, Failure(.detach, "it was detached meanwhile")))
    case .failed where device.connections?.isAbandoned == true:
      // nbdd does not connect any more, so the wait would not end.
      fail(error(device, ConnectionSet.abandonment))
    case .reconnecting where device.lifecycle.phase == .held && waitTime == nil:
      let message = device.report.trouble ?? "in use"
      fail(error(device, Failure(.kernel, message), retrying: true))
    default: break
    }
  }

  /// Forgets a device that was never attached.
  private func abandon(_ device: Device) {
    device.isOrphan = true
    if device.lifecycle.phase == .detached {
      manager.forget(device)
    } else {
      device.detach(force: false)
    }
  }

  private func fail(_ error: ControlError) {
    guard !hasReplied else { return }
    hasReplied = true
    timer = nil
    client.fail(error)
  }

  private func succeed(_ device: Device, changed: Bool) {
    hasReplied = true
    timer = nil
    client.succeed(AttachResult(device: device.report.status, changed: changed))
  }

  private func error(
    _ device: Device, _ failure: Failure, retrying: Bool = false
  ) -> ControlError {
    .attachFailed(FailedAttach(name: device.name, failure.report, retrying: retrying))
  }
}
