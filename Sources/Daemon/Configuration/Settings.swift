// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import Varlink

/// What `defaults` in nbdd.json can set for all devices, and each device for itself.
extension DeviceConfiguration {
  nonisolated struct Settings: Sendable, Equatable {
    /// Who moves the bytes.
    var path = Path.relay
    /// How many connections there may be at a time, if the server allows more than one.
    var connections = 1
    var connectTimeout = Duration.seconds(10)
    var negotiationTimeout = Duration.seconds(10)
    var requestTimeout = Duration.seconds(30)
    var reconnectDelay = Duration.seconds(30)
    /// How long a request may wait before it is answered with an error; nil: without end.
    var giveUpAfter: Duration?
    /// What becomes of the device then.
    var afterGiveUp = AfterGiveUp.retry
    /// The most bytes of acknowledged writes that are kept until a flush covers them.
    var unflushedLimit = 64 << 20
    /// In bytes; nil: as the kernel has it.
    var readAhead: Int?
    /// The directory with the usual names in it.
    var tlsCertificates: String?
    var tlsPSKFile: String?
    var tlsPriority: String?
  }

  enum AfterGiveUp: String, Sendable, CaseIterable {
    /// It works again when the server is back, and what was acknowledged is sent again.
    case retry
    /// What was acknowledged and not flushed is dropped, and there is no connection any more: by then
    /// another machine may use the export.
    case abandon
  }

  enum Path: String, Sendable, CaseIterable {
    /// nbdd, between the kernel and the server: an outage is a pause.
    case relay
    /// The kernel itself: an outage is I/O errors.
    case direct
  }
}

extension DeviceConfiguration.Settings {
  nonisolated init(_ fields: inout ConfigurationReader, _ defaults: Self) {
    self = defaults
    let (second, hour) = (Duration.seconds(1), Duration.seconds(3600))
    path =
      fields.string("path", "\"relay\" or \"direct\"") { DeviceConfiguration.Path(rawValue: $0) }
      ?? path
    connections = fields.integer("connections", 1...16) ?? connections
    connectTimeout = fields.duration("connectTimeout", .milliseconds(1)...hour) ?? connectTimeout
    negotiationTimeout =
      fields.duration("negotiationTimeout", .milliseconds(1)...hour) ?? negotiationTimeout
    // On the direct path the driver counts seconds, and 0 would mean to wait for ever.
    requestTimeout = fields.duration("requestTimeout", second...hour * 24) ?? requestTimeout
    reconnectDelay =
      fields.duration("reconnectDelay", .milliseconds(100)...hour * 24) ?? reconnectDelay
    giveUpAfter = fields.duration("giveUpAfter", second...hour * 24 * 365) ?? giveUpAfter
    afterGiveUp =
      fields.string("afterGiveUp", "\"retry\" or \"abandon\"") {
        DeviceConfiguration.AfterGiveUp(rawValue: $0)
      } ?? afterGiveUp
    unflushedLimit = fields.size("unflushedLimit", 32 << 20...1 << 30) ?? unflushedLimit
    readAhead = fields.size("readAhead", 0...1 << 30) ?? readAhead
    let absolute = { (text: String) in text.hasPrefix("/") ? text : nil }
    tlsCertificates =
      fields.string("tlsCertificates", "an absolute path", absolute) ?? tlsCertificates
    tlsPSKFile = fields.string("tlsPSKFile", "an absolute path", absolute) ?? tlsPSKFile
    tlsPriority = fields.string("tlsPriority") ?? tlsPriority
  }

  /// As the control interface and a configuration file have it.
  nonisolated var json: JSON {
    .object([
      "path": JSON(path.rawValue),
      "connections": JSON(Int64(connections)),
      "connectTimeout": connectTimeout.json,
      "negotiationTimeout": negotiationTimeout.json,
      "requestTimeout": requestTimeout.json,
      "reconnectDelay": reconnectDelay.json,
      "giveUpAfter": giveUpAfter?.json,
      "afterGiveUp": JSON(afterGiveUp.rawValue),
      "unflushedLimit": JSON("\(unflushedLimit)B"),
      "readAhead": readAhead.map { JSON("\($0)B") },
      "tlsCertificates": tlsCertificates.map { JSON($0) },
      "tlsPSKFile": tlsPSKFile.map { JSON($0) },
      "tlsPriority": tlsPriority.map { JSON($0) },
    ])
  }
}

extension Duration {
  nonisolated fileprivate var json: JSON {
    let whole = milliseconds
    return JSON(whole % 1000 == 0 ? "\(whole / 1000)s" : "\(whole)ms")
  }
}
