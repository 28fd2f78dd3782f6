// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Varlink

/// One client that follows what happens.
///
/// To a client that reads too slowly nothing more is sent until it has caught up; then it gets the
/// present state anew. So it costs a bounded amount of memory and never holds the daemon.
final class Watch {
  private unowned let connection: Connection
  private unowned let manager: Manager
  /// Only this device; nil: all.
  private let name: String?
  private var sequence: Int64 = 0
  private var isBehind = false

  private static let backlogLimit = 1 << 20

  init(_ connection: Connection, _ manager: Manager, name: String?) {
    self.connection = connection
    self.manager = manager
    self.name = name
  }

  func start() {
    connection.onDrained = { self.catchUp() }
    sendAll()
  }

  func tell(_ device: Device?, _ name: String) {
    guard self.name == nil || self.name == name else { return }
    if connection.backlog > Self.backlogLimit { isBehind = true }
    guard !isBehind else { return }
    send(device == nil ? "removed" : "changed", device, name)
  }

  private func catchUp() {
    guard isBehind else { return }
    isBehind = false
    send("dropped", nil, nil)
    sendAll()
  }

  private func sendAll() {
    for device in manager.sorted where name == nil || device.name == name {
      send("present", device, device.name)
    }
    send("synced", nil, nil)
  }

  private func send(_ event: String, _ device: Device?, _ name: String?) {
    sequence += 1
    connection.reply(
      Reply(
        parameters: .object([
          "sequence": JSON(sequence),
          "event": JSON(event),
          "device": device?.report.json,
          "name": name.map { JSON($0) },
        ]), continues: true))
  }
}
