// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI

/// A client that called Watch.
///
/// A client that reads too slowly is sent nothing until it has caught up, and then the current
/// state again. So it costs a bounded amount of memory and never blocks the daemon.
final class Watch {
  private unowned let client: ControlClient
  private unowned let manager: Manager
  /// Only this device; nil: all.
  private let name: String?
  private var sequence: Int64 = 0
  private var isBehind = false

  private static let backlogLimit = 1 << 20

  init(_ client: ControlClient, _ manager: Manager, name: String?) {
    self.client = client
    self.manager = manager
    self.name = name
  }

  func start() {
    client.onDrained = { self.catchUp() }
    sendAll()
  }

  func follows(_ name: String) -> Bool { self.name == nil || self.name == name }

  func tell(_ event: WatchEvent.Encoded) {
    if client.backlog > Self.backlogLimit { isBehind = true }
    guard !isBehind else { return }
    send(event)
  }

  private func catchUp() {
    guard isBehind else { return }
    isBehind = false
    send(.dropped)
    sendAll()
  }

  private func sendAll() {
    for device in manager.sorted where name == nil || device.name == name {
      send(.present, device)
    }
    send(.synced)
  }

  private func send(_ event: WatchEvent.Kind, _ device: Device? = nil) {
    send(.init(WatchEvent(event, device?.report.status, name: device?.name)))
  }

  private func send(_ event: WatchEvent.Encoded) {
    sequence += 1
    client.send(event.bytes(sequence: sequence))
  }
}
