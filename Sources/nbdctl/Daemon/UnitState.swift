// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// What systemd says about a unit, as "srv-db.mount: failed (exit-code)".
struct UnitState: CustomStringConvertible {
  let description: String

  /// Asks systemctl(1); nil if it does not answer within 2 s.
  init?(of unit: String) {
    let command = ["systemctl", "show", "--property=ActiveState,SubState,Result", "--", unit]
    guard let result = try? ChildProcess.run(command, within: .seconds(2)), result.status == 0
    else { return nil }
    let pairs = result.output.split(separator: "\n").map {
      $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    }
    let values = Dictionary(pairs.filter { $0.count == 2 }.map { ($0[0], $0[1]) }) { $1 }
    guard let state = values["ActiveState"] else { return nil }
    let isGood = values["Result"] == "success"
    let detail = (isGood ? values["SubState"] : values["Result"]) ?? ""
    self.init("\(unit): \(state)" + (detail.isEmpty || detail == state ? "" : " (\(detail))"))
  }

  init(_ description: String) { self.description = description }
}
