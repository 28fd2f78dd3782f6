// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// What Attach takes: either the name of a configured device or the context of a new one.
package struct AttachParameters: Structure {
  package var name: String?
  package var context: DeviceContext?
  /// A duration with a unit.
  package var waitTimeout: String?

  package static let contextName = "context"
  package static let fields: [Field<Self>] = [
    Field("name", \.name),
    Field(contextName, \.context),
    Field("waitTimeout", \.waitTimeout),
  ]

  package init() {}
}

/// What Detach takes: either the name of a device or its kernel device.
package struct DetachParameters: Structure {
  package var name: String?
  package var device: String?
  package var force: Bool?

  package static let fields: [Field<Self>] = [
    Field("name", \.name),
    Field("device", \.device),
    Field("force", \.force),
  ]

  package init() {}
}

/// What Reconnect takes.
package struct ReconnectParameters: Structure {
  package var name = ""

  package static let fields: [Field<Self>] = [Field("name", \.name)]

  package init() {}
  package init(name: String) { self.name = name }
}

/// What Fail takes.
package struct FailParameters: Structure {
  package var name = ""
  package var abandon: Bool?

  package static let fields: [Field<Self>] = [
    Field("name", \.name),
    Field("abandon", \.abandon),
  ]

  package init() {}
  package init(name: String, abandon: Bool) {
    self.name = name
    self.abandon = abandon
  }
}

/// What Status takes: the name of a device; nil: all devices.
package struct StatusParameters: Structure {
  package var name: String?

  package static let fields: [Field<Self>] = [Field("name", \.name)]

  package init() {}
  package init(name: String?) { self.name = name }
}

/// What Watch takes: the name of a device; nil: all devices.
package struct WatchParameters: Structure {
  package var name: String?

  package static let fields: [Field<Self>] = [Field("name", \.name)]

  package init() {}
  package init(name: String?) { self.name = name }
}
