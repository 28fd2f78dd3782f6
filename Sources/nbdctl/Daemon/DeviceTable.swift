// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import Varlink

/// All devices as a table, a line each.
enum DeviceTable {
  /// Lines of at most `width` characters, in colours; nil: as long as they are, without.
  static func text(_ devices: [JSON], width: Int?) -> String {
    guard !devices.isEmpty else { return "no devices\n" }
    let rows =
      [["NAME", "STATE", "DEVICE", "SIZE", "MOUNT", "DETAILS"]]
      + devices.map { row($0).map { shown($0) } }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.enumerated().map { number, row in
      let cells = row.enumerated().map { column, cell in
        let isLast = column == row.count - 1
        let padded = isLast ? cell : cell.padded(to: widths[column])
        guard let width else { return padded }
        if isLast { return padded.cut(to: width - widths.dropLast().reduce(0) { $0 + $1 + 2 }) }
        return number > 0 && column == 1 ? Terminal.colored(padded, cell) : padded
      }
      return cells.joined(separator: "  ").trimmedRight + "\n"
    }.joined()
  }

  private static func row(_ device: JSON) -> [String] {
    let runtime = device["runtime"]
    let state = runtime?["state"]?.string ?? "?"
    let isFine = state == "attached" && runtime?["mount"]?["failure"] == nil
    return [
      device["context"]?["name"]?.string ?? "?",
      state,
      runtime?["device"]?.string ?? "-",
      runtime?["export"]?["sizeBytes"]?.integer.map(HumanReadable.size) ?? "-",
      mount(runtime?["mount"]),
      (isFine ? device["context"]?["uri"]?.string : runtime?["message"]?.string) ?? "",
    ]
  }

  private static func mount(_ mount: JSON?) -> String {
    guard let mount, let path = mount["path"]?.string else { return "-" }
    return mount["mounted"]?.bool == true ? path : "(\(path))"
  }
}

/// One device in full, a fact each line.
enum DeviceDetails {
  static func text(_ device: JSON) -> String {
    let context = device["context"]
    let runtime = device["runtime"]
    let export = runtime?["export"]
    let since = runtime?["sinceRealtimeUSec"]?.integer
    let facts: [(String, String?)] = [
      ("name", context?["name"]?.string),
      ("state", runtime?["state"]?.string),
      ("what", runtime?["message"]?.string),
      ("since", since.map { HumanReadable.ago($0, now: Clocks.realtime) }),
      (
        "next attempt",
        runtime?["nextAttemptRealtimeUSec"]?.integer.map {
          HumanReadable.ahead($0, now: Clocks.realtime)
        }
      ),
      ("uri", context?["uri"]?.string),
      ("source", runtime?["source"]?.string),
      ("pending change", pending(runtime)),
      ("device", runtime?["device"]?.string),
      ("served by", served(runtime)),
      ("server", runtime?["server"]?.string),
      ("encryption", runtime?["relay"]?["connections"]?.array?.first?["encryption"]?.string),
      ("export", export?["name"]?.string.map { $0.isEmpty ? "(default)" : $0 }),
      ("description", export?["description"]?.string),
      ("size", export?["sizeBytes"]?.integer.map { "\(HumanReadable.size($0)) (\($0) bytes)" }),
      ("flags", list(export?["flags"])),
      ("partitions", list(runtime?["partitions"])),
      ("mount", mount(runtime?["mount"])),
      ("held by", list(runtime?["holders"])),
      ("failed attempts", count(runtime?["attempts"])),
      ("outages", outages(runtime)),
      ("held requests", count(runtime?["relay"]?["requestsHeld"])),
      ("last error", runtime?["relay"]?["lastError"]?.string),
      ("not flushed yet", runtime?["relay"]?["unflushedBytes"]?.integer.flatMap(kept)),
    ]
    let notes = (runtime?["notes"]?.array ?? []).map { ("note", $0.string) }
    return Table.facts(facts + notes)
  }

  private static func pending(_ runtime: JSON?) -> String? {
    guard runtime?["pending"]?.bool == true else { return nil }
    return list(runtime?["pendingKeys"]).map { "\($0), from the next attach" }
      ?? "removed, once it is detached"
  }

  private static func served(_ runtime: JSON?) -> String? {
    guard let thread = runtime?["thread"]?.integer else { return nil }
    return "thread \(thread) in NBD_DO_IT (\(runtime?["interface"]?.string ?? "?"), "
      + "\(runtime?["path"]?.string ?? "?"))"
  }

  private static func mount(_ mount: JSON?) -> String? {
    guard let mount, let path = mount["path"]?.string else { return nil }
    if mount["mounted"]?.bool == true { return path }
    let reason = mount["failure"]?["message"]?.string.map { ": \($0)" } ?? ""
    return "\(path), not mounted\(reason)"
  }

  private static func outages(_ runtime: JSON?) -> String? {
    guard let outages = count(runtime?["outages"]) else { return nil }
    guard let relay = runtime?["relay"], let total = relay["outageMSec"]?.integer,
      let longest = relay["longestOutageMSec"]?.integer, total > 0
    else { return outages }
    let words = { (time: Int64) in Quantities.words(.milliseconds(time)) }
    return "\(outages), \(words(total)) in all, the longest \(words(longest))"
  }

  private static func kept(_ bytes: Int64) -> String? {
    bytes == 0 ? nil : "\(HumanReadable.size(bytes)), kept in case the server loses it"
  }

  private static func list(_ value: JSON?) -> String? {
    let items = value?.array?.compactMap(\.string) ?? []
    return items.isEmpty ? nil : items.joined(separator: ", ")
  }

  private static func count(_ value: JSON?) -> String? {
    value?.integer.flatMap { $0 == 0 ? nil : "\($0)" }
  }
}
