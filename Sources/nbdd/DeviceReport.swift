// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Kernel
internal import NBD
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
      ["connecting to \(device.context.uri)", lifecycle.failure?.message].joined("; last: ")
    case .settling: "waiting for \(node) and its partitions"
    case .mounting: "mounting \(node) at \(device.context.mount?.path ?? "")"
    case .attached: ["attached as \(node)", mountTrouble].joined("; ")
    case .cancelling: "giving the attempt up"
    case .unmounting: "unmounting \(device.context.mount?.path ?? "nothing")"
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
    case .attached: mountTrouble
    case .waiting: [lifecycle.failure?.message, "next attempt \(nextWords)"].joined(", ")
    case .held: heldTrouble
    case .releasing where !lifecycle.holders.isEmpty: heldTrouble
    default: lifecycle.failure?.message
    }
  }

  /// Context and runtime, as the interface's `Device`.
  var json: JSON {
    ["context": device.context.json, "runtime": runtime]
  }

  private var runtime: JSON {
    let serving = device.serving
    return .object([
      "state": text(lifecycle.state.rawValue),
      "sinceRealtimeUSec": JSON(device.since),
      "message": text(sentence),
      "source": text(device.file ?? "control"),
      "pending": JSON(device.nextContext != nil || device.isOrphan),
      "device": lifecycle.phase == .detached || lifecycle.phase == .connecting
        ? nil : device.index.map { text(BlockDevice.path($0)) },
      "interface": serving.map { _ in "ioctl" },
      "path": serving.map { _ in "direct" },
      "thread": serving.map { JSON(Int64($0.thread)) },
      "server": serving.map { text($0.server) },
      "export": serving.map { export($0.export) },
      "partitions": serving.map { _ in texts(device.partitions) },
      "mount": device.context.mount.map(mount),
      "holders": lifecycle.holders.isEmpty ? nil : texts(lifecycle.holders),
      "attempts": JSON(Int64(lifecycle.attempts)),
      "outages": JSON(Int64(lifecycle.outages)),
      "failure": lifecycle.failure.map(failure),
      "nextAttemptRealtimeUSec": lifecycle.nextAttempt.map { _ in JSON(device.timerEnd) },
    ])
  }

  private func export(_ export: Export) -> JSON {
    .object([
      "name": text(export.name),
      "sizeBytes": JSON(Int64(export.sizeBytes)),
      "flags": texts(export.flags.names),
      "minimumBlockBytes": export.blockSizes.map { JSON(Int64($0.minimum)) },
      "preferredBlockBytes": export.blockSizes.map { JSON(Int64($0.preferred)) },
      "maximumPayloadBytes": export.blockSizes.map { JSON(Int64($0.maximumPayload)) },
      "description": export.description.map(text),
    ])
  }

  private func mount(_ mount: Context.Mount) -> JSON {
    .object([
      "path": text(mount.path),
      "mounted": JSON(isMounted(device.mountPoint ?? mount.path)),
      "failure": lifecycle.mountFailure.map(failure),
    ])
  }

  private func isMounted(_ path: String) -> Bool {
    device.index.map { Mounting.isMounted(path, $0) } ?? false
  }

  private func failure(_ failure: Failure) -> JSON {
    ["stage": text(failure.stage.rawValue), "message": text(failure.message)]
  }

  private func text(_ text: String) -> JSON { JSON(text) }

  private func texts(_ texts: [String]) -> JSON { JSON(.array(texts.map(text))) }

  private var node: String {
    device.index.map(BlockDevice.path) ?? "the device"
  }

  private var mountTrouble: String? {
    lifecycle.mountFailure.map {
      "not mounted at \(device.context.mount?.path ?? ""): \($0.message)"
    }
  }

  private var heldTrouble: String {
    let holders = lifecycle.holders.joined(separator: ", ")
    return [
      lifecycle.failure?.message, "\(node) is still in use: \(holders)",
      "looked at again \(nextWords)",
    ].joined("; ")
  }

  private var nextWords: String {
    let pause = lifecycle.nextAttempt.map { ContinuousClock.now.duration(to: $0) } ?? .zero
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
