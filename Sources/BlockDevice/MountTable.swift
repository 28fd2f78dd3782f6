// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// What is mounted in this mount namespace, according to /proc/self/mountinfo at one moment.
///
/// It is parsed byte by byte: a path may begin with a combining mark, which Swift would join to the
/// blank before it.
package struct MountTable: Sendable {
  package struct Entry: Sendable {
    /// The device number, as "43:0".
    package let number: String
    package let path: String
    package let type: String
    /// What was mounted, as "/dev/nbd0".
    package let source: String
  }

  /// In the kernel's order: of two at one path the later one covers the other.
  package let entries: [Entry]

  /// Reads the table; empty if /proc is not there.
  package init() {
    self.init((try? File.bytes(of: "/proc/self/mountinfo")) ?? [])
  }

  private init(entries: [Entry]) {
    self.entries = entries
  }

  init(_ text: [UInt8]) {
    entries = text.split(separator: UInt8(ascii: "\n")).compactMap(Entry.init)
  }

  /// What is mounted at a path, topmost.
  package func entry(at path: String) -> Entry? {
    entries.last { $0.path.utf8.elementsEqual(path.utf8) }
  }

  /// Whether the disk or a partition of it is mounted at a path.
  package func has(_ index: Int, at path: String) -> Bool {
    let there = MountTable(entries: entries.filter { $0.path.utf8.elementsEqual(path.utf8) })
    // Usually nothing is mounted there, and then there is nothing to look up.
    return !there.entries.isEmpty && !there.paths(of: index).isEmpty
  }

  /// Where the disk or a partition of it is mounted.
  package func paths(of index: Int) -> [String] {
    let numbers = Sysfs.deviceNumbers(of: index)
    // Btrfs uses its own device number for each mount, and names one of the devices that it is made
    // of.
    let nodes =
      entries.contains { $0.type == "btrfs" } ? Sysfs.nodes(sharingBtrfsWith: index) : []
    return entries.filter {
      numbers.contains($0.number) || $0.type == "btrfs" && nodes.contains($0.source)
    }.map(\.path)
  }
}

extension MountTable.Entry {
  // After the separate "-" follow type, source and options.
  fileprivate init?(_ line: ArraySlice<UInt8>) {
    let fields = line.split(separator: UInt8(ascii: " "))
    guard fields.count > 4, let dash = fields.firstIndex(where: { $0.elementsEqual("-".utf8) }),
      dash + 2 < fields.count
    else { return nil }
    number = String(decoding: fields[2], as: UTF8.self)
    path = Self.unescape(fields[4])
    type = Self.unescape(fields[dash + 1])
    source = Self.unescape(fields[dash + 2])
  }

  // The kernel writes blanks and the like as three octal digits after a backslash.
  private static func unescape(_ field: ArraySlice<UInt8>) -> String {
    var bytes: [UInt8] = []
    var rest = field
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\\"), rest.count >= 3,
        let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
      {
        bytes.append(value)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
