// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI

/// Devices as nbdd reports them, with fixed values.
enum Sample {
  /// In microseconds since 1970.
  static let now: Int64 = 1_800_000_000_000_000

  static let devices = [attached, waiting, held, inOutage, abandoned, detached]

  /// Relayed over TLS, mounted, with a partition, after two outages.
  static let attached: DeviceStatus = {
    var device = make("db", .attached, "attached as /dev/nbd0; 1 of 2 connections")
    device.context.uri = "nbds://storage.example:10809/db"
    device.runtime.device = "/dev/nbd0"
    device.runtime.interface = .ioctl
    device.runtime.path = .relay
    device.runtime.thread = 4711
    device.runtime.server = "10.0.0.7:10809"
    device.runtime.export = export("db", 500 << 30)
    device.runtime.export?.description = "the database"
    device.runtime.partitions = ["/dev/nbd0p1"]
    device.runtime.notes = ["the server offers no flush"]
    device.runtime.mount = mount("/srv/db", true)
    device.runtime.outages = 2
    var relay = RelayStatus()
    relay.connections = [connection(true), connection(false)]
    relay.unflushedBytes = 3 << 20
    relay.operations = [operation(.read, 4096), operation(.write, 0)]
    relay.outages = 2
    relay.outageMSec = 61_500
    relay.longestOutageMSec = 60_000
    relay.lastError = "the server returned EIO"
    device.runtime.relay = relay
    return device
  }()

  /// Without its server.
  static let waiting: DeviceStatus = {
    let failure = "storage.example:10809: connection refused"
    var device = make("logs", .reconnecting, "\(failure), next attempt in 4 s")
    device.runtime.failure = FailureReport(.connect, .unreachable, failure)
    device.runtime.attempts = 7
    device.runtime.nextAttemptRealtimeUSec = now + 4_200_000
    device.runtime.mount = mount("/srv/logs", false)
    return device
  }()

  /// Lost, and still in use.
  static let held: DeviceStatus = {
    var device = make("old", .reconnecting, "/dev/nbd3 is still in use: fsck (pid 12)")
    device.runtime.device = "/dev/nbd3"
    device.runtime.holders = ["fsck (pid 12)", "mount at /mnt"]
    device.runtime.pending = true
    return device
  }()

  /// Attached, while its server is away.
  static let inOutage: DeviceStatus = {
    var device = make(
      "vm", .reconnecting, "/dev/nbd1 waits for its server: timed out, 3 requests held")
    device.runtime.device = "/dev/nbd1"
    device.runtime.path = .relay
    device.runtime.thread = 4712
    device.runtime.export = export("", 4096)
    device.runtime.outages = 1
    device.runtime.pending = true
    device.runtime.pendingKeys = ["connections", "readOnly"]
    var relay = RelayStatus()
    relay.connections = [connection(false)]
    relay.requestsHeld = 3
    device.runtime.relay = relay
    return device
  }()

  /// Attached, with a mount that failed.
  static let abandoned: DeviceStatus = {
    var device = make(
      "web", .attached, "attached as /dev/nbd2; not mounted at /srv/web: wrong type")
    device.runtime.device = "/dev/nbd2"
    device.runtime.export = export("web", 1_610_612_736)
    device.runtime.mount = mount("/srv/web", false)
    device.runtime.mount?.failure = FailureReport(.mount, .other, "wrong type")
    return device
  }()

  static let detached = make("backup", .detached, "not attached")

  /// What happens to a device, with repetitions.
  static let events: [WatchEvent] = {
    var again = waiting
    again.runtime.message = "storage.example:10809: connection refused, next attempt in 8 s"
    again.runtime.attempts = 8
    var failed = again
    failed.runtime.failure?.message = "storage.example:10809: timed out"
    failed.runtime.message = "storage.example:10809: timed out, next attempt in 16 s"
    var whole = attached
    whole.runtime.relay?.connections = [connection(true), connection(true)]
    whole.runtime.message = "attached as /dev/nbd0"
    return [
      WatchEvent(.present, attached, name: "db"), WatchEvent(.present, waiting, name: "logs"),
      WatchEvent(.synced, nil, name: nil), WatchEvent(.changed, again, name: "logs"),
      WatchEvent(.changed, failed, name: "logs"), WatchEvent(.changed, attached, name: "db"),
      WatchEvent(.changed, whole, name: "db"), WatchEvent(.dropped, nil, name: nil),
      WatchEvent(.present, whole, name: "db"), WatchEvent(.removed, nil, name: "logs"),
      WatchEvent(.changed, failed, name: "logs"),
    ]
  }()

  // MARK: parts

  private static func make(
    _ name: String, _ state: DeviceState, _ message: String
  ) -> DeviceStatus {
    var device = DeviceStatus()
    device.context.name = name
    device.context.uri = "nbd://storage.example:10809/\(name)"
    device.runtime.state = state
    device.runtime.message = message
    device.runtime.source = "/etc/nbdd/devices.d/\(name).json"
    device.runtime.sinceRealtimeUSec = now - 7_300_000_000
    return device
  }

  private static func export(_ name: String, _ size: Int64) -> ExportStatus {
    var export = ExportStatus()
    export.name = name
    export.sizeBytes = size
    export.flags = ["sendFlush", "sendFUA"]
    return export
  }

  private static func operation(
    _ name: RelayOperationStatus.Name, _ bytes: Int64
  ) -> RelayOperationStatus {
    var operation = RelayOperationStatus()
    operation.name = name
    operation.bytes = bytes
    operation.requests = bytes == 0 ? 0 : 3
    operation.latencyUSec = bytes == 0 ? 0 : 80_000_250
    operation.latencyCounts = bytes == 0 ? [] : [1, 1] + [Int64](repeating: 0, count: 9) + [1]
    return operation
  }

  private static func mount(_ path: String, _ isMounted: Bool) -> MountStatus {
    var mount = MountStatus()
    mount.path = path
    mount.mounted = isMounted
    return mount
  }

  private static func connection(_ isUp: Bool) -> RelayConnectionStatus {
    var connection = RelayConnectionStatus()
    connection.up = isUp
    connection.encryption = isUp ? "TLS 1.3, AES-256-GCM" : nil
    return connection
  }
}
