// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI

/// The daemon's state in one line, for `systemctl status`.
nonisolated enum StatusLine {
  struct Entry: Sendable {
    var name: String
    var state: Lifecycle.State
    /// What is wrong and what happens next.
    var trouble: String?
  }

  /// As in "3 of 4 devices attached; db: connection refused, next attempt in 8 s".
  static func text(_ entries: [Entry], problems: Int) -> String {
    let wanted = entries.filter { $0.state != .detached }
    let attached = wanted.filter { $0.state == .attached }.count
    let devices = wanted.count == 1 ? "device" : "devices"
    let count =
      entries.isEmpty
      ? "no devices configured"
      : wanted.isEmpty
        ? "no devices attached" : "\(attached) of \(wanted.count) \(devices) attached"
    let troubles = wanted.compactMap { entry in entry.trouble.map { "\(entry.name): \($0)" } }
    let rest = troubles.count > 3 ? ["and \(troubles.count - 3) more"] : []
    let faults =
      problems == 0
      ? [] : ["\(problems) \(problems == 1 ? "fault" : "faults") in the configuration"]
    return ([count] + troubles.prefix(3) + rest + faults).joined(separator: "; ")
  }
}
