// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The interface's `Context`: the configuration of a device.
///
/// Durations and sizes are text with a unit. The properties and fields here and in `MountContext` are
/// generated from the table of keys in Daemon/Configuration/ConfigurationKeys.swift.
package struct DeviceContext: Structure {
  package var name = ""
  package var uri = ""
  package var device: String?
  package var readOnly: Bool?
  package var autoAttach: Bool?
  package var shared: Bool?
  package var tlsHostname: String?
  package var verifyPeer: Bool?
  package var mount: MountContext?
  package var path: DataPath?
  package var connections: Int64?
  package var busyPoll: Bool?
  package var connectTimeout: String?
  package var negotiationTimeout: String?
  package var requestTimeout: String?
  package var reconnectDelay: String?
  package var giveUpAfter: String?
  package var afterGiveUp: AfterGiveUp?
  package var unflushedLimit: String?
  package var readAhead: String?
  package var tlsCertificates: String?
  package var tlsPSKFile: String?
  package var tlsPriority: String?

  package static let typeName: String? = "Context"
  package static let fields: [Field<Self>] = [
    Field("name", \.name),
    Field("uri", \.uri),
    Field("device", \.device),
    Field("readOnly", \.readOnly),
    Field("autoAttach", \.autoAttach),
    Field("shared", \.shared),
    Field("tlsHostname", \.tlsHostname),
    Field("verifyPeer", \.verifyPeer),
    Field("mount", \.mount),
    Field("path", \.path),
    Field("connections", \.connections),
    Field("busyPoll", \.busyPoll),
    Field("connectTimeout", \.connectTimeout),
    Field("negotiationTimeout", \.negotiationTimeout),
    Field("requestTimeout", \.requestTimeout),
    Field("reconnectDelay", \.reconnectDelay),
    Field("giveUpAfter", \.giveUpAfter),
    Field("afterGiveUp", \.afterGiveUp),
    Field("unflushedLimit", \.unflushedLimit),
    Field("readAhead", \.readAhead),
    Field("tlsCertificates", \.tlsCertificates),
    Field("tlsPSKFile", \.tlsPSKFile),
    Field("tlsPriority", \.tlsPriority),
  ]

  package init() {}
}

/// The interface's `Mount`: a file system that is mounted after the attach.
package struct MountContext: Structure {
  package var path = ""
  package var partition: Int64?
  package var type: String?
  package var options: [String]?
  package var check: Bool?
  package var deviceTimeout: String?

  package static let typeName: String? = "Mount"
  package static let fields: [Field<Self>] = [
    Field("path", \.path),
    Field("partition", \.partition),
    Field("type", \.type),
    Field("options", \.options),
    Field("check", \.check),
    Field("deviceTimeout", \.deviceTimeout),
  ]

  package init() {}

  /// A mount at that path, with default settings.
  package init(path: String) { self.path = path }
}

/// What transfers the data between the kernel and the server: nbdd, or the kernel itself.
package enum DataPath: String, Enumeration { case relay, direct }

/// What happens to a device once requests have waited for `giveUpAfter`.
package enum AfterGiveUp: String, Enumeration { case retry, abandon }
