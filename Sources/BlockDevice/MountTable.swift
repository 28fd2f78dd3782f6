// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// What is mounted in a mount namespace, according to /proc/PID/mountinfo at one moment.
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
    /// Mounts of one group are mounted and unmounted together, and so are those that follow that group, also in other
    /// namespaces (mount_namespaces(7)).
    package let group: String?
    package let followedGroup: String?
    /// Those of the file system.
    package let options: String
  }

  /// In the kernel's order: of two at one path the later one covers the other.
  package let entries: [Entry]

  /// Reads the table of a process; empty if there is none.
  package init(of process: String = "self") {
    self.init((try? File.bytes(of: "/proc/\(process)/mountinfo")) ?? [])
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
  package func paths(of index: Int) -> [String] { mounts(of: index).map(\.path) }

  /// The mounts of the disk or a partition of it.
  package func mounts(of index: Int) -> [Entry] {
    let numbers = Sysfs.deviceNumbers(of: index)
    // Btrfs uses its own device number for each mount, and names one of the devices that it is made
    // of.
    let nodes =
      entries.contains { $0.type == "btrfs" } ? Sysfs.nodes(sharingBtrfsWith: index) : []
    return entries.filter {
      numbers.contains($0.number) || $0.type == "btrfs" && nodes.contains($0.source)
    }
  }

  /// Where overlays are mounted that have a directory at or below a path.
  func overlays(over path: String) -> [String] {
    entries.filter { $0.type == "overlay" && $0.directories.contains { isPath($0, within: path) } }
      .map(\.path)
  }

  /// What is mounted below a path.
  package func paths(below path: String) -> [String] {
    entries.map(\.path).filter { $0 != path && isPath($0, within: path) }
  }
}

/// Whether a path is another one, or below it.
package func isPath(_ path: String, within outer: String) -> Bool {
  let outer = outer.hasSuffix("/") ? outer : outer + "/"
  return "\(path)/".utf8.starts(with: outer.utf8)
}

extension MountTable.Entry {
  // After the separate "-" follow type, source and options.
  fileprivate init?(_ line: ArraySlice<UInt8>) {
    let fields = line.split(separator: UInt8(ascii: " "))
    guard fields.count > 6, let dash = fields.firstIndex(where: { $0.elementsEqual("-".utf8) }),
      dash + 2 < fields.count
    else { return nil }
    number = String(decoding: fields[2], as: UTF8.self)
    path = Self.unescape(fields[4])
    type = Self.unescape(fields[dash + 1])
    source = Self.unescape(fields[dash + 2])
    options = dash + 3 < fields.count ? Self.unescape(fields[dash + 3]) : ""
    func value(of tag: String) -> String? {
      fields[6..<max(6, dash)].first { $0.starts(with: tag.utf8) }.map {
        String(decoding: $0.dropFirst(tag.utf8.count), as: UTF8.self)
      }
    }
    (group, followedGroup) = (value(of: "shared:"), value(of: "master:"))
  }

  /// The directories that an overlay consists of.
  fileprivate var directories: [String] {
    options.split(separator: ",").flatMap { option -> [String] in
      guard let equals = option.firstIndex(of: "="),
        ["lowerdir", "upperdir", "workdir"].contains(option[..<equals])
      else { return [] }
      return option[option.index(after: equals)...].split(separator: ":").map(String.init)
    }
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
