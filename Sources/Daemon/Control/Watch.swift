// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Varlink

/// One client that follows what happens.
///
/// To a client that reads too slowly nothing more is sent until it has caught up; then it gets the
/// present state anew. So it costs a bounded amount of memory and never holds the daemon.
final class Watch {
  private unowned let connection: ControlClient
  private unowned let manager: Manager
  /// Only this device; nil: all.
  private let name: String?
  private var sequence: Int64 = 0
  private var isBehind = false

  private static let backlogLimit = 1 << 20

  init(_ connection: ControlClient, _ manager: Manager, name: String?) {
    self.connection = connection
    self.manager = manager
    self.name = name
  }

  func start() {
    connection.onDrained = { self.catchUp() }
    sendAll()
  }

  /// Something that has happened, worded once for all who follow it.
  struct Event {
    private let reply: NumberedReply

    /// `device` is nil if it is gone, or if it is about none.
    init(_ event: String, _ device: Device? = nil, _ name: String? = nil) {
      reply = NumberedReply(
        .object([
          "event": JSON(event), "device": device?.report.json, "name": name.map { JSON($0) },
        ]))
    }

    fileprivate func bytes(_ sequence: Int64) -> [UInt8] { reply.bytes("sequence", sequence) }
  }

  func follows(_ name: String) -> Bool { self.name == nil || self.name == name }

  func tell(_ event: Event) {
    if connection.backlog > Self.backlogLimit { isBehind = true }
    guard !isBehind else { return }
    send(event)
  }

  private func catchUp() {
    guard isBehind else { return }
    isBehind = false
    send(Event("dropped"))
    sendAll()
  }

  private func sendAll() {
    for device in manager.sorted where name == nil || device.name == name {
      send(Event("present", device, device.name))
    }
    send(Event("synced"))
  }

  private func send(_ event: Event) {
    sequence += 1
    connection.go(on: event.bytes(sequence))
  }
}
