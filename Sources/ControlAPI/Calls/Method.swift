// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A method of the interface: what it takes and what it returns.
package struct Method<Input: Structure, Output: Structure>: Sendable {
  /// The full name, for example "org.nbdd.Attach".
  package let name: String

  fileprivate init(_ name: String, of interface: String = ControlInterface.name) {
    self.name = "\(interface).\(name)"
  }
}

/// The methods of the interface.
package enum ControlMethod {
  package static let attach = Method<AttachParameters, AttachResult>("Attach")
  package static let detach = Method<DetachParameters, DetachResult>("Detach")
  package static let reconnect = Method<ReconnectParameters, Nothing>("Reconnect")
  package static let fail = Method<FailParameters, FailResult>("Fail")
  package static let status = Method<StatusParameters, StatusResult>("Status")
  package static let reload = Method<Nothing, ReloadResult>("Reload")
  package static let prepareShutdown = Method<Nothing, Nothing>("PrepareShutdown")
  package static let watch = Method<WatchParameters, WatchEvent>("Watch")
  /// Of every Varlink service.
  package static let info = Method<Nothing, ServiceInfo>("GetInfo", of: "org.varlink.service")
}

/// No parameters at all.
package struct Nothing: Structure {
  package static let fields: [Field<Self>] = []

  package init() {}
}
