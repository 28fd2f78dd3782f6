// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD
internal import Varlink

/// Renders the extents of an export one by one, without keeping them: as a table with totals and a
/// picture of one line, or as JSON.
///
/// Adjacent extents with the same flags are joined.
struct ExtentMap {
  enum Form { case table, json }

  private static let cells = 64
  /// How many different flags get their own totals.
  private static let mostTotals = 64

  private let form: Form
  private let context: String
  private let state: ExtentState
  private let size: UInt64
  private let width: Int
  private var current: Extent?
  private var isFirst = true
  private var totals: [UInt64: UInt64] = [:]
  private var otherTotal: UInt64 = 0
  /// For each cell of the picture, the bytes of it that are not data.
  private var emptiness = [UInt64](repeating: 0, count: cells)

  init(_ context: String, size: UInt64, _ form: Form) {
    self.form = form
    self.context = context
    self.size = size
    state = ExtentState(of: context)
    width = max(6, String(size).count)
  }

  /// What comes before the first extent.
  var head: String {
    switch form {
    case .table: return line("OFFSET", "LENGTH", "STATE")
    case .json:
      let head: JSON = ["formatVersion": 1, "context": JSON(context), "sizeBytes": JSON(size)]
      return head.indentedText.dropLast(2) + ",\n  \"extents\": ["
    }
  }

  /// Adds the next extent, and returns the line of the one before, if that is finished.
  mutating func add(_ extent: Extent) -> String {
    if let last = current, last.flags == extent.flags, last.end == extent.offset {
      current?.length += extent.length
      return ""
    }
    let finished = close()
    current = extent
    return finished
  }

  /// The line of the last extent, and what comes after it.
  mutating func finish() -> String {
    close() + (form == .json ? "\n  ],\n  \"totals\": [\(totalEntries)\n  ]\n}\n" : "\n" + summary)
  }

  private mutating func close() -> String {
    guard let extent = current else { return "" }
    current = nil
    defer { isFirst = false }
    count(extent)
    switch form {
    case .table:
      return line(String(extent.offset), String(extent.length), state.text(extent.flags))
    case .json:
      let entry: JSON = [
        "offset": JSON(extent.offset), "length": JSON(extent.length),
        "flags": JSON(extent.flags), "state": JSON(state.text(extent.flags)),
      ]
      return (isFirst ? "" : ",") + "\n    \(entry.text)"
    }
  }

  private mutating func count(_ extent: Extent) {
    if totals[extent.flags] == nil, totals.count == Self.mostTotals {
      otherTotal += extent.length
    } else {
      totals[extent.flags, default: 0] += extent.length
    }
    if extent.isHole || extent.isZero { blacken(extent) }
  }

  private mutating func blacken(_ extent: Extent) {
    let cell = max(1, (size + UInt64(Self.cells) - 1) / UInt64(Self.cells))
    var place = extent.offset
    while place < extent.end {
      let index = min(Int(place / cell), Self.cells - 1)
      let end = min(extent.end, (place / cell + 1) * cell)
      emptiness[index] += end - place
      place = end
    }
  }

  private var summary: String {
    var text = totals.sorted { $0.key < $1.key }
      .map { share($0.value, state.text($0.key)) }.joined()
    if otherTotal > 0 { text += share(otherTotal, "others") }
    if state == .allocation, size > 0 { text += picture + "\n" }
    return text
  }

  private var totalEntries: String {
    let known = totals.sorted { $0.key < $1.key }.map { flags, length -> JSON in
      ["flags": JSON(flags), "state": JSON(state.text(flags)), "length": JSON(length)]
    }
    let others: [JSON] =
      otherTotal > 0 ? [["state": "others", "length": JSON(otherTotal)]] : []
    return (known + others).map { "\n    \($0.text)" }.joined(separator: ",")
  }

  private func share(_ bytes: UInt64, _ state: String) -> String {
    let percent = size == 0 ? 0 : Int((Double(bytes) / Double(size) * 100).rounded())
    return "\(state): \(HumanReadable.size(Int64(clamping: bytes))) (\(percent)%)\n"
  }

  /// Dark is data, light is empty.
  private var picture: String {
    let cell = max(1, (size + UInt64(Self.cells) - 1) / UInt64(Self.cells))
    let shades = emptiness.enumerated().prefix { UInt64($0.offset) * cell < size }
      .map { index, empty in
        let room = min(cell, size - UInt64(index) * cell)
        let data = room - min(room, empty)
        if data == 0 { return "·" }
        if data == room { return "█" }
        return data * 2 >= room ? "▓" : "░"
      }
    return "[\(shades.joined())]"
  }

  private func line(_ offset: String, _ length: String, _ state: String) -> String {
    [offset, length].map { String(repeating: " ", count: max(0, width - $0.count)) + $0 + "  " }
      .joined() + state + "\n"
  }
}
