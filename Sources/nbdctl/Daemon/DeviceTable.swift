// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI

/// All devices as a table, one line per device.
enum DeviceTable {
  /// Renders lines of at most `width` characters, in colours; nil: of any length, without colours.
  static func text(
    _ devices: [DeviceStatus], width: Int?, hasColor: Bool = Terminal.hasColor
  ) -> String {
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
        return hasColor && number > 0 && column == 1 ? Terminal.colored(padded, cell) : padded
      }
      return cells.joined(separator: "  ").trimmedRight + "\n"
    }.joined()
  }

  private static func row(_ device: DeviceStatus) -> [String] {
    let runtime = device.runtime
    let isFine = runtime.state == .attached && runtime.mount?.failure == nil
    return [
      device.context.name,
      runtime.state.rawValue,
      runtime.device ?? "-",
      runtime.export.map { HumanReadable.size($0.sizeBytes) } ?? "-",
      runtime.mount.map { $0.mounted ? $0.path : "(\($0.path))" } ?? "-",
      isFine ? device.context.uri : runtime.message,
    ]
  }
}
