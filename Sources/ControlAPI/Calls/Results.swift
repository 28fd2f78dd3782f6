// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// What Attach returns.
package struct AttachResult: Structure {
  package var device = DeviceStatus()
  package var changed = false

  package static let fields: [Field<Self>] = [
    Field("device", \.device),
    Field("changed", \.changed),
  ]

  package init() {}
  package init(device: DeviceStatus, changed: Bool) {
    self.device = device
    self.changed = changed
  }
}

/// What Detach returns.
package struct DetachResult: Structure {
  package var changed = false
  package var notes: [String] = []

  package static let fields: [Field<Self>] = [
    Field("changed", \.changed),
    Field("notes", \.notes),
  ]

  package init() {}
  package init(changed: Bool, notes: [String]) {
    self.changed = changed
    self.notes = notes
  }
}

/// What Fail returns.
package struct FailResult: Structure {
  package var changed = false

  package static let fields: [Field<Self>] = [Field("changed", \.changed)]

  package init() {}
  package init(changed: Bool) { self.changed = changed }
}

/// What Status returns.
package struct StatusResult: Structure {
  package var devices: [DeviceStatus] = []

  package static let fields: [Field<Self>] = [Field("devices", \.devices)]

  package init() {}
  package init(devices: [DeviceStatus]) { self.devices = devices }
}

/// What Reload returns: the names of the devices that it changed, by kind of change.
package struct ReloadResult: Structure {
  package var added: [String] = []
  package var changed: [String] = []
  package var removed: [String] = []
  /// Those of the changed and removed devices whose change takes effect at the next attach or the detach.
  package var deferred: [String] = []

  package static let fields: [Field<Self>] = [
    Field("added", \.added),
    Field("changed", \.changed),
    Field("removed", \.removed),
    Field("deferred", \.deferred),
  ]

  package init() {}
}

/// What GetInfo returns, as far as it is of interest.
package struct ServiceInfo: Structure {
  package var version = ""

  package static let fields: [Field<Self>] = [Field("version", \.version)]

  package init() {}
}
