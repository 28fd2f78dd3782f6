// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The settings that `defaults` in nbdd.json can give for all devices, and each device for itself.
///
/// ConfigurationKeys.swift says how each is written and what it means to users.
extension DeviceConfiguration {
  nonisolated struct Settings: Sendable, Equatable {
    /// Which side exchanges data with the server.
    var path = Path.relay
    /// The most connections at a time, if the server allows more than one.
    var connections = 1
    /// Whether the relay polls for a moment before it sleeps.
    var busyPoll = true
    var connectTimeout = Duration.seconds(10)
    var negotiationTimeout = Duration.seconds(10)
    var requestTimeout = Duration.seconds(30)
    var reconnectDelay = Duration.seconds(30)
    /// How long a request may wait before it fails; nil: no limit.
    var giveUpAfter: Duration?
    /// What happens to the device then.
    var afterGiveUp = AfterGiveUp.retry
    /// The most bytes of acknowledged writes that are kept until a flush covers them.
    var unflushedLimit = 64 << 20
    /// In bytes; nil: the kernel's own value.
    var readAhead: Int?
    /// The directory that contains files with the usual names.
    var tlsCertificates: String?
    var tlsPSKFile: String?
    var tlsPriority: String?
  }

  nonisolated enum AfterGiveUp: String, Sendable, CaseIterable {
    /// The device works again when the server is back, and acknowledged writes are replayed.
    case retry
    /// Writes that were acknowledged but not flushed are dropped, and nbdd does not connect again:
    /// by then another machine may use the export.
    case abandon
  }

  nonisolated enum Path: String, Sendable, CaseIterable {
    /// nbdd, between the kernel and the server: an outage is a pause.
    case relay
    /// The kernel itself: an outage is I/O errors.
    case direct
  }
}
