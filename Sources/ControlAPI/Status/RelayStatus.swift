// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The interface's `Relay`: the relay of an attached device, with its counters since the attach.
package struct RelayStatus: Structure {
  package var connections: [RelayConnectionStatus] = []
  package var requestsHeld: Int64 = 0
  package var requestsAnswered: Int64 = 0
  package var operations: [RelayOperationStatus] = []
  package var unflushedBytes: Int64 = 0
  package var bytesFromServer: Int64 = 0
  package var bytesToServer: Int64 = 0
  package var outages: Int64 = 0
  /// In milliseconds, as is the longest.
  package var outageMSec: Int64 = 0
  package var longestOutageMSec: Int64 = 0
  package var givenUp = false
  package var lastError: String?

  package static let typeName: String? = "Relay"
  package static let fields: [Field<Self>] = [
    Field("connections", \.connections),
    Field("requestsHeld", \.requestsHeld),
    Field("requestsAnswered", \.requestsAnswered),
    Field("operations", \.operations),
    Field("unflushedBytes", \.unflushedBytes),
    Field("bytesFromServer", \.bytesFromServer),
    Field("bytesToServer", \.bytesToServer),
    Field("outages", \.outages),
    Field("outageMSec", \.outageMSec),
    Field("longestOutageMSec", \.longestOutageMSec),
    Field("givenUp", \.givenUp),
    Field("lastError", \.lastError),
  ]

  package init() {}
}

/// The interface's `RelayConnection`: a connection of the relay to the server.
package struct RelayConnectionStatus: Structure {
  package var up = false
  package var server: String?
  package var encryption: String?
  package var attempts: Int64 = 0
  package var failure: String?

  package static let typeName: String? = "RelayConnection"
  package static let fields: [Field<Self>] = [
    Field("up", \.up),
    Field("server", \.server),
    Field("encryption", \.encryption),
    Field("attempts", \.attempts),
    Field("failure", \.failure),
  ]

  package init() {}
}
