// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// What `defaults` in nbdd.json can set for all devices, and each device for itself.
///
/// ConfigurationKeys.swift says how each is written and what it means to users.
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
    /// How long a request may wait before it fails; nil: without end.
    var giveUpAfter: Duration?
    /// What becomes of the device then.
    var afterGiveUp = AfterGiveUp.retry
    /// The most bytes of acknowledged writes that are kept until a flush covers them.
    var unflushedLimit = 64 << 20
    /// In bytes; nil: the kernel's own value.
    var readAhead: Int?
    /// The directory with files of the usual names.
    var tlsCertificates: String?
    var tlsPSKFile: String?
    var tlsPriority: String?
  }

  nonisolated enum AfterGiveUp: String, Sendable, CaseIterable {
    /// It works again when the server is back, and what was acknowledged is replayed.
    case retry
    /// What was acknowledged and not flushed is dropped, and nbdd does not connect any more: by then
    /// another machine may use the export.
    case abandon
  }

  nonisolated enum Path: String, Sendable, CaseIterable {
    /// nbdd, between the kernel and the server: an outage is a pause.
    case relay
    /// The kernel itself: an outage is I/O errors.
    case direct
  }
}
