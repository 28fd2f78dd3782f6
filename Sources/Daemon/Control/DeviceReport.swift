// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import Linux
internal import NBD
internal import Relay
internal import Synchronization
internal import enum Transport.FailureKind
internal import Varlink

/// What the control interface says of a device.
struct DeviceReport {
  private let device: Device
  private var lifecycle: Lifecycle { device.lifecycle }

  fileprivate init(_ device: Device) {
    self.device = device
  }

  /// The state in one sentence, with what happens next.
  var sentence: String {
    switch lifecycle.phase {
    case .detached: "not attached"
    case .connecting:
      ["connecting to \(device.configuration.uri)", lifecycle.failure?.message].joined("; last: ")
    case .settling: "waiting for \(node) and its partitions"
    case .mounting: "mounting \(node) at \(device.configuration.mount?.path ?? "")"
    case .attached:
      [cutTrouble ?? "attached as \(node)", connectionsTrouble, mountTrouble].joined("; ")
    case .cancelling: "giving the attempt up"
    case .unmounting: "unmounting \(device.configuration.mount?.path ?? "nothing")"
    case .quiescing: "sending the last writes of \(node) to the server"
    case .disconnecting: "disconnecting \(node)"
    case .releasing where lifecycle.holders.isEmpty:
      [lifecycle.failure?.message, "waiting for \(node) to become free"].joined("; ")
    case .releasing, .held, .waiting: trouble ?? ""
    }
  }

  /// What is amiss and what happens next; nil if nothing is.
  var trouble: String? {
    switch lifecycle.phase {
    case .attached:
      [cutTrouble, connectionsTrouble, mountTrouble].contains { $0 != nil }
        ? [cutTrouble, connectionsTrouble, mountTrouble].joined("; ") : nil
    case .waiting: [lifecycle.failure?.message, "next attempt \(nextWords)"].joined(", ")
    case .held: heldTrouble
    case .releasing where !lifecycle.holders.isEmpty: heldTrouble
    default: lifecycle.failure?.message
    }
  }

  /// DeviceConfiguration and runtime, as the interface's `Device`.
  var json: JSON {
    ["context": device.configuration.json, "runtime": runtime]
  }

  private var runtime: JSON {
    let (attachment, status) = (device.attachment, device.status)
    return .object([
      "state": text(status.state.rawValue),
      "sinceRealtimeUSec": JSON(device.since),
      "message": text(sentence),
      "source": text(device.file ?? "control"),
      "pending": JSON(device.nextConfiguration != nil || device.isOrphan),
      "pendingKeys": device.nextConfiguration.map { texts($0.keys(unlike: device.configuration)) },
      "device": lifecycle.phase == .detached || lifecycle.phase == .connecting
        ? nil : device.index.map { text(DeviceNode.path($0)) },
      "interface": attachment.map { text($0.device.interface) },
      "path": attachment.map { text($0.relay == nil ? "direct" : "relay") },
      "thread": attachment.map { JSON(Int64($0.thread)) },
      "server": status.server.map(text),
      "export": status.export.map { export($0, status) },
      "partitions": attachment.map { _ in texts(device.settled.partitions) },
      "notes": device.remarks.isEmpty ? nil : texts(device.remarks),
      "mount": device.configuration.mount.map(mount),
      "holders": lifecycle.holders.isEmpty ? nil : texts(lifecycle.holders),
      "attempts": JSON(status.attempts),
      "outages": JSON(status.outages),
      "failure": status.failure.map(failure),
      "nextAttemptRealtimeUSec": status.nextAttempt.map { JSON($0.realtime) },
      "relay": connections.map { ConnectionSetReport($0).json },
    ])
  }

  private var connections: ConnectionSet? { device.connections }

  private func export(_ export: Export, _ status: DeviceStatus) -> JSON {
    .object([
      "name": text(export.name),
      "sizeBytes": JSON(status.sizeBytes),
      "unreachableBytes": status.unreachableBytes == 0 ? nil : JSON(status.unreachableBytes),
      "flags": texts(export.flags.names),
      "minimumBlockBytes": export.blockSizes.map { JSON(Int64($0.minimum)) },
      "preferredBlockBytes": export.blockSizes.map { JSON(Int64($0.preferred)) },
      "maximumPayloadBytes": export.blockSizes.map { JSON(Int64($0.maximumPayload)) },
      "description": export.description.map(text),
    ])
  }

  private func mount(_ mount: DeviceConfiguration.Mount) -> JSON {
    .object([
      "path": text(mount.path),
      "mounted": JSON(isMounted(device.mountPoint ?? mount.path)),
      "failure": lifecycle.mountFailure.map(failure),
    ])
  }

  private func isMounted(_ path: String) -> Bool {
    device.index.map { Mounts.now.has($0, at: path) } ?? false
  }

  private func failure(_ failure: Failure) -> JSON {
    [
      "stage": text(failure.stage.rawValue), "kind": text(failure.kind.rawValue),
      "message": text(failure.message),
    ]
  }

  private func text(_ text: String) -> JSON { JSON(text) }

  private func texts(_ texts: [String]) -> JSON { JSON(.array(texts.map(text))) }

  private var node: String {
    device.index.map(DeviceNode.path) ?? "the device"
  }

  private var mountTrouble: String? {
    lifecycle.mountFailure.map {
      "not mounted at \(device.configuration.mount?.path ?? ""): \($0.message)"
    }
  }

  private var cutTrouble: String? {
    guard let connections, connections.isCut else { return nil }
    if connections.isAbandoned, let failure = connections.failure {
      return "\(node): \(failure.message)"
    }
    let held = connections.relay.counters.requestsHeld.load(ordering: .relaxed)
    let next = connections.nextAttempt.map { words(until: $0.instant) } ?? "under way"
    let fate =
      connections.isGivenUp
      ? "given up: requests fail with I/O errors"
      : held == 0 ? nil : "\(held) \(held == 1 ? "request" : "requests") held"
    let trouble = [connections.failure?.message, fate, "next attempt \(next)"].joined(", ")
    return "\(node) waits for its server: \(trouble)"
  }

  private var connectionsTrouble: String? {
    guard let connections, !connections.isCut, connections.upCount < connections.lifecycles.count,
      connections.upCount > 0
    else {
      return nil
    }
    let count = "\(connections.upCount) of \(connections.lifecycles.count) connections"
    return [count, connections.failure?.message].joined(": ")
  }

  private var heldTrouble: String {
    let holders = lifecycle.holders.joined(separator: ", ")
    return [
      lifecycle.failure?.message, "\(node) is still in use: \(holders)",
      "looked at again \(nextWords)",
    ].joined("; ")
  }

  private var nextWords: String {
    words(until: lifecycle.nextAttempt ?? .now)
  }

  private func words(until instant: ContinuousClock.Instant) -> String {
    let pause = ContinuousClock.now.duration(to: instant)
    return pause < .milliseconds(1) ? "now" : "in \(Quantities.words(pause))"
  }
}

extension Device {
  /// What is told of the device at this moment.
  var report: DeviceReport { DeviceReport(self) }
}

extension [String?] {
  nonisolated fileprivate func joined(_ separator: String) -> String {
    compactMap(\.self).joined(separator: separator)
  }
}
