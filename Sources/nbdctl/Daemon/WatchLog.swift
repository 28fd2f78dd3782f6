// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Varlink

/// Events as lines for people, without those that tell what the line before has told.
///
/// The interface tells of each step of each attempt. A reader wants to know what has become of a device:
/// its state, why, and what else does not count seconds.
struct WatchLog {
  /// What of each device was shown last.
  private var shown: [String: [JSON?]] = [:]

  /// The lines for an event, of which there may be none.
  mutating func lines(for event: JSON) -> [String] {
    let name = event["name"]?.string ?? ""
    switch event["event"]?.string {
    case "synced": return []
    case "removed":
      shown[name] = nil
      return ["\(name): removed"]
    case "dropped": return ["(some changes were not shown)"]
    default:
      let runtime = event["device"]?["runtime"]
      let facts = Self.facts(runtime)
      guard shown[name] != facts else { return [] }
      shown[name] = facts
      let state = runtime?["state"]?.string ?? "?"
      return ["\(name): \(state): \(runtime?["message"]?.string ?? "")"]
    }
  }

  /// What makes a line worth while.
  private static func facts(_ runtime: JSON?) -> [JSON?] {
    let connections = runtime?["relay"]?["connections"]?.array ?? []
    let up = connections.count { $0["up"]?.bool == true }
    return [
      runtime?["state"], runtime?["failure"]?["message"], runtime?["mount"],
      runtime?["holders"], runtime?["pendingKeys"],
      runtime?["export"]?["sizeBytes"], runtime?["relay"]?["givenUp"],
      runtime?["relay"]?["lastError"],
      up > 0 && up < connections.count ? JSON(up) : nil,
    ]
  }
}
