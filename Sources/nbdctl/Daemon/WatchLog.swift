// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI

/// Events as lines for people, without those that would repeat the line before.
///
/// The interface reports each step of each attempt. A reader wants to know what has happened to a
/// device: its state, the reason, and whatever else does not change every second.
struct WatchLog {
  /// What was last shown of each device.
  private var shown: [String: Facts] = [:]

  /// Returns the lines for an event, possibly none.
  mutating func lines(for event: WatchEvent) -> [String] {
    let name = event.name ?? ""
    switch event.event {
    case .synced: return []
    case .removed:
      shown[name] = nil
      return ["\(name): removed"]
    case .dropped: return ["(some changes were not shown)"]
    case .present, .changed:
      guard let runtime = event.device?.runtime else { return [] }
      let facts = Facts(runtime)
      guard shown[name] != facts else { return [] }
      shown[name] = facts
      return ["\(name): \(runtime.state.rawValue): \(runtime.message)"]
    }
  }

  /// What is worth a line when it changes.
  private struct Facts: Equatable {
    let state: DeviceState
    let failure: String?
    let mount: MountStatus?
    let holders: [String]?
    let pendingKeys: [String]?
    let sizeBytes: Int64?
    let givenUp: Bool?
    let lastError: String?
    /// How many connections are up, if some are and some are not.
    let upCount: Int?

    init(_ runtime: DeviceRuntime) {
      state = runtime.state
      failure = runtime.failure?.message
      mount = runtime.mount
      holders = runtime.holders
      pendingKeys = runtime.pendingKeys
      sizeBytes = runtime.export?.sizeBytes
      givenUp = runtime.relay?.givenUp
      lastError = runtime.relay?.lastError
      let connections = runtime.relay?.connections ?? []
      let count = connections.count(where: \.up)
      upCount = count > 0 && count < connections.count ? count : nil
    }
  }
}
