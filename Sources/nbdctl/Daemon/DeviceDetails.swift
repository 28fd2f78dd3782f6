// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI

/// One device in full, one fact per line.
enum DeviceDetails {
  /// Renders the device as it is at `now`, in microseconds since 1970.
  static func text(_ device: DeviceStatus, mountUnit: UnitState?, now: Int64) -> String {
    let (context, runtime) = (device.context, device.runtime)
    let (export, relay) = (runtime.export, runtime.relay)
    let facts: [(String, String?)] = [
      ("name", context.name),
      ("state", runtime.state.rawValue),
      ("what", runtime.message),
      ("since", HumanReadable.ago(runtime.sinceRealtimeUSec, now: now)),
      ("next attempt", runtime.nextAttemptRealtimeUSec.map { HumanReadable.ahead($0, now: now) }),
      ("uri", context.uri),
      ("source", runtime.source),
      ("pending change", pending(runtime)),
      ("device", runtime.device),
      ("served by", served(runtime)),
      ("server", runtime.server),
      ("encryption", relay?.connections.first?.encryption),
      ("export", export.map { $0.name.isEmpty ? "(default)" : $0.name }),
      ("description", export?.description),
      ("size", export.map { "\(HumanReadable.size($0.sizeBytes)) (\($0.sizeBytes) bytes)" }),
      ("flags", list(export?.flags)),
      ("partitions", list(runtime.partitions)),
      ("mount", runtime.mount.map(mount)),
      ("mount unit", mountUnit?.description),
      ("held by", list(runtime.holders)),
      ("failed attempts", count(runtime.attempts)),
      ("outages", outages(runtime)),
      ("restarts of nbdd", restarts(runtime)),
      ("held requests", count(relay?.requestsHeld)),
      ("last error", relay?.lastError),
      ("not flushed yet", relay.flatMap { kept($0.unflushedBytes) }),
    ]
    return Table.facts(facts + (runtime.notes ?? []).map { ("note", $0) })
  }

  private static func pending(_ runtime: DeviceRuntime) -> String? {
    guard runtime.pending else { return nil }
    return list(runtime.pendingKeys).map { "\($0), from the next attach" }
      ?? "removed, once it is detached"
  }

  private static func served(_ runtime: DeviceRuntime) -> String? {
    runtime.thread.map { thread in
      let (interface, path) = (runtime.interface?.rawValue, runtime.path?.rawValue)
      let keeper = runtime.keptBy.map { " of \($0)" } ?? ""
      return "thread \(thread)\(keeper) in NBD_DO_IT (\(interface ?? "?"), \(path ?? "?"))"
    }
  }

  private static func mount(_ mount: MountStatus) -> String {
    if mount.mounted { return mount.path }
    let reason = mount.failure.map { ": \($0.message)" } ?? ""
    return "\(mount.path), not mounted\(reason)"
  }

  private static func outages(_ runtime: DeviceRuntime) -> String? {
    guard let outages = count(runtime.outages) else { return nil }
    guard let relay = runtime.relay, relay.outageMSec > 0 else { return outages }
    let total = Quantities.words(.milliseconds(relay.outageMSec))
    let longest = Quantities.words(.milliseconds(relay.longestOutageMSec))
    return "\(outages), \(total) in all, the longest \(longest)"
  }

  private static func restarts(_ runtime: DeviceRuntime) -> String? {
    guard let restarts = runtime.restarts, restarts > 0 else { return nil }
    let pause = runtime.lastPauseMSec.map {
      ", the last a pause of \(Quantities.words(.milliseconds($0)))"
    }
    return "\(restarts)\(pause ?? "")"
  }

  private static func kept(_ bytes: Int64) -> String? {
    bytes == 0 ? nil : "\(HumanReadable.size(bytes)), kept in case the server loses it"
  }

  private static func list(_ items: [String]?) -> String? {
    guard let items, !items.isEmpty else { return nil }
    return items.joined(separator: ", ")
  }

  private static func count(_ number: Int64?) -> String? {
    number.flatMap { $0 == 0 ? nil : "\($0)" }
  }
}
