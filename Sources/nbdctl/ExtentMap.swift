// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD
internal import Varlink

/// The extents of an export: a line of a table each, totals, and a picture of one line.
///
/// Neighbours with the same flags are one. Only the text of JSON is kept, of a bounded number.
struct ExtentMap {
  static let mostListed = 200_000
  private static let cells = 64

  private let context: String
  private let size: UInt64
  private let width: Int
  private var current: Extent?
  private var totals: [UInt64: UInt64] = [:]
  /// For each cell of the picture, the bytes of it that are not data.
  private var emptiness = [UInt64](repeating: 0, count: cells)
  private var listed: [Extent] = []

  init(_ context: String, size: UInt64) {
    self.context = context
    self.size = size
    width = max(6, String(size).count)
  }

  var hasRoom: Bool { listed.count < Self.mostListed }

  var head: String { line("OFFSET", "LENGTH", "STATE") }

  /// Takes the next extent; answers the line of the one before, if that is finished.
  mutating func add(_ extent: Extent) -> String? {
    if let last = current, last.flags == extent.flags, last.end == extent.offset {
      current?.length += extent.length
      return nil
    }
    let finished = close()
    current = extent
    return finished
  }

  /// The last line, the totals and the picture.
  mutating func finish() -> String {
    var text = close() ?? ""
    text += "\n"
    for (flags, bytes) in totals.sorted(by: { $0.key < $1.key }) {
      let percent = size == 0 ? 0 : Int((Double(bytes) / Double(size) * 100).rounded())
      text += "\(state(flags)): \(Words.size(Int64(clamping: bytes))) (\(percent)%)\n"
    }
    if context == MetadataContext.allocation, size > 0 { text += picture + "\n" }
    return text
  }

  /// All there is, as JSON; to be asked for once, at the end.
  var report: JSON {
    mutating get {
      _ = close()
      return [
        "formatVersion": 1,
        "context": JSON(context),
        "sizeBytes": JSON(size),
        "extents": JSON(
          listed.map { extent in
            [
              "offset": JSON(extent.offset), "length": JSON(extent.length),
              "flags": JSON(extent.flags), "state": JSON(state(extent.flags)),
            ]
          }),
      ]
    }
  }

  private mutating func close() -> String? {
    guard let extent = current else { return nil }
    current = nil
    totals[extent.flags & 0xff, default: 0] += extent.length
    if extent.isHole || extent.isZero { blacken(extent) }
    if hasRoom { listed.append(extent) }
    return line(String(extent.offset), String(extent.length), state(extent.flags))
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

  private func state(_ flags: UInt64) -> String {
    guard context == MetadataContext.allocation else { return String(flags) }
    return switch flags & 3 {
    case 0: "data"
    case 1: "hole"
    case 2: "zero"
    default: "hole, zero"
    }
  }

  private func line(_ offset: String, _ length: String, _ state: String) -> String {
    [offset, length].map { String(repeating: " ", count: max(0, width - $0.count)) + $0 + "  " }
      .joined() + state + "\n"
  }
}
