// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import NBD
internal import Relay

extension DeviceReport {
  /// The interface's `Device`.
  var status: DeviceStatus {
    var status = DeviceStatus()
    status.context = device.configuration.status
    status.runtime = runtime
    return status
  }

  private var runtime: DeviceRuntime {
    let snapshot = device.snapshot
    var runtime = DeviceRuntime()
    runtime.state = snapshot.state
    runtime.sinceRealtimeUSec = device.since
    runtime.message = sentence
    runtime.source = device.file ?? "control"
    runtime.pending = device.nextConfiguration != nil || device.isOrphan
    runtime.pendingKeys = device.nextConfiguration.map { $0.keys(unlike: device.configuration) }
    if lifecycle.phase != .detached, lifecycle.phase != .connecting {
      runtime.device = device.index.map(DeviceNode.path)
    }
    if let attachment = device.attachment {
      runtime.interface = DriverInterface(rawValue: attachment.device.interface)
      runtime.path = attachment.relay == nil ? .direct : .relay
      runtime.thread = Int64(attachment.thread)
      if attachment.isKept, let relay = attachment.relay {
        runtime.keptBy = "nbdd-keeper"
        runtime.restarts = Int64(relay.record.successions)
        runtime.lastPauseMSec = connections?.lastRestart?.milliseconds
      }
      runtime.partitions = device.settled.partitions
    }
    runtime.server = snapshot.server
    runtime.export = snapshot.export.map { export($0, snapshot) }
    runtime.notes = device.remarks.isEmpty ? nil : device.remarks
    runtime.mount = device.configuration.mount.map(mount)
    runtime.holders = lifecycle.holders.isEmpty ? nil : lifecycle.holders
    runtime.attempts = Int64(snapshot.attempts)
    runtime.outages = Int64(snapshot.outages)
    runtime.failure = snapshot.failure.map(\.report)
    runtime.nextAttemptRealtimeUSec = snapshot.nextAttempt?.realtime
    runtime.relay = connections.map { ConnectionSetReport($0).status }
    return runtime
  }

  private func export(_ export: Export, _ snapshot: DeviceSnapshot) -> ExportStatus {
    var status = ExportStatus()
    status.name = export.name
    status.sizeBytes = Int64(clamping: snapshot.sizeBytes)
    let unreachable = snapshot.unreachableBytes
    status.unreachableBytes = unreachable == 0 ? nil : Int64(clamping: unreachable)
    status.flags = export.flags.names
    status.minimumBlockBytes = export.blockSizes.map { Int64($0.minimum) }
    status.preferredBlockBytes = export.blockSizes.map { Int64($0.preferred) }
    status.maximumPayloadBytes = export.blockSizes.map { Int64($0.maximumPayload) }
    status.description = export.description
    return status
  }

  private func mount(_ mount: DeviceConfiguration.Mount) -> MountStatus {
    var status = MountStatus()
    status.path = mount.path
    status.mounted = device.isMounted
    status.unit = SystemdMounts.unit(at: device.mountPoint ?? mount.path)
    status.failure = lifecycle.mountFailure.map(\.report)
    return status
  }
}

extension Failure {
  /// The interface's `Failure`.
  var report: FailureReport { FailureReport(stage, kind, message) }
}

extension DeviceConfiguration {
  /// The interface's `Context`.
  fileprivate var status: DeviceContext {
    do throws(FieldError) {
      return try DeviceContext(decoding: json)
    } catch {
      // A test compares the keys with the interface.
      preconditionFailure("context of \(name): \(error)")
    }
  }
}
