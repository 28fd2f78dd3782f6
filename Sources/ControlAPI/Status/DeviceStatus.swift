// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The interface's `Device`: what Status and Watch report about a device.
package struct DeviceStatus: Structure {
  package var context = DeviceContext()
  package var runtime = DeviceRuntime()

  package static let typeName: String? = "Device"
  package static let fields: [Field<Self>] = [
    Field("context", \.context),
    Field("runtime", \.runtime),
  ]

  package init() {}
}

/// The interface's `Runtime`: what nbdd knows about a device at this moment.
package struct DeviceRuntime: Structure {
  package var state = DeviceState.detached
  /// Since when the device is in this state, in microseconds since 1970.
  package var sinceRealtimeUSec: Int64 = 0
  package var message = ""
  package var source = ""
  package var pending = false
  package var pendingKeys: [String]?
  package var device: String?
  package var interface: DriverInterface?
  package var path: DataPath?
  package var thread: Int64?
  package var keptBy: String?
  package var restarts: Int64?
  package var lastPauseMSec: Int64?
  package var server: String?
  package var export: ExportStatus?
  package var partitions: [String]?
  package var notes: [String]?
  package var mount: MountStatus?
  package var holders: [String]?
  package var attempts: Int64 = 0
  package var outages: Int64 = 0
  package var failure: FailureReport?
  /// In microseconds since 1970.
  package var nextAttemptRealtimeUSec: Int64?
  package var relay: RelayStatus?

  package static let typeName: String? = "Runtime"
  package static let fields: [Field<Self>] = [
    Field("state", \.state),
    Field("sinceRealtimeUSec", \.sinceRealtimeUSec),
    Field("message", \.message),
    Field("source", \.source),
    Field("pending", \.pending),
    Field("pendingKeys", \.pendingKeys),
    Field("device", \.device),
    Field("interface", \.interface),
    Field("path", \.path),
    Field("thread", \.thread),
    Field("keptBy", \.keptBy),
    Field("restarts", \.restarts),
    Field("lastPauseMSec", \.lastPauseMSec),
    Field("server", \.server),
    Field("export", \.export),
    Field("partitions", \.partitions),
    Field("notes", \.notes),
    Field("mount", \.mount),
    Field("holders", \.holders),
    Field("attempts", \.attempts),
    Field("outages", \.outages),
    Field("failure", \.failure),
    Field("nextAttemptRealtimeUSec", \.nextAttemptRealtimeUSec),
    Field("relay", \.relay),
  ]

  package init() {}
}

/// The interface's `State` of a device.
package enum DeviceState: String, Enumeration {
  case detached, connecting, attaching, attached, reconnecting, detaching, failed

  package static let typeName: String? = "State"
}

/// The interface through which the kernel device was set up.
package enum DriverInterface: String, Enumeration { case ioctl, netlink }
