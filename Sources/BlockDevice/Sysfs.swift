// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc
internal import Linux

/// What /sys/block says about the nbd devices, without opening them.
///
/// An open device cannot be attached by others.
package enum Sysfs {
  /// The driver is in the kernel, though maybe without devices.
  package static var isDriverLoaded: Bool { !Directory.names(in: "/sys/module/nbd").isEmpty }

  /// How many partitions the driver lets a device have; nil if the driver is not loaded.
  package static var maximumPartitions: Int? {
    text("/sys/module/nbd/parameters/max_part").flatMap { Int($0) }
  }

  /// Indexes of all devices of the driver, in order; empty if it is not loaded.
  package static func devices() -> [Int] {
    Directory.names(in: "/sys/block").compactMap(index(of:)).sorted()
  }

  /// The thread that attached a device, in NBD_DO_IT if it was attached by ioctl.
  ///
  /// It stays until the last holder has closed the device, even after a disconnect.
  package static func attacher(of index: Int) -> Int? {
    text("\(directory(index))/pid").flatMap { Int($0) }
  }

  /// It was attached by netlink, as nbd-client does: it needs no process, and works without one.
  package static func isNetlink(_ index: Int) -> Bool {
    // The file is there for every such device, if only empty.
    File.contents(of: "\(directory(index))/backend") != nil
  }

  /// The sequence number of this disk, which is used only once per boot; nil before Linux 5.15.
  package static func sequence(of index: Int) -> String? {
    text("\(directory(index))/diskseq")
  }

  /// Size in bytes; 0 while nothing is attached.
  package static func sizeBytes(of index: Int) -> UInt64 {
    (text("\(directory(index))/size").flatMap { UInt64($0) } ?? 0) * 512
  }

  /// How many requests the device has completed since it was made, of all kinds, and how many sectors; nil if there is no
  /// such device (Documentation/block/stat.rst).
  package static func completedCount(of index: Int) -> Int? {
    guard let text = text("\(directory(index))/stat") else { return nil }
    let numbers = text.split(separator: " ").compactMap { Int($0) }
    // Reads, writes, discards (Linux 4.18) and flushes (5.5); the others are merges and times.
    return [0, 2, 4, 6, 11, 13, 15].reduce(0) { $0 + ($1 < numbers.count ? numbers[$1] : 0) }
  }

  /// Whether the device is not attached.
  ///
  /// A program may still have it open.
  package static func isFree(_ index: Int) -> Bool {
    attacher(of: index) == nil && sizeBytes(of: index) == 0
  }

  /// Paths of the partitions' nodes, in order.
  package static func partitions(of index: Int) -> [String] {
    Directory.names(in: directory(index)).filter { $0.hasPrefix("nbd\(index)p") }
      .sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }.map { "/dev/\($0)" }
  }

  /// Devices built on this one or on a partition of it: "md0", and those of the device mapper by the names
  /// that LVM or cryptsetup gave them, as "vg-data (dm-0)".
  package static func stackedDevices(on index: Int) -> [String] {
    ([""] + partitions(of: index).map { "/" + $0.dropFirst("/dev/".count) })
      .flatMap { Directory.names(in: "\(directory(index))\($0)/holders") }
      .map { name in text("/sys/block/\(name)/dm/name").map { "\($0) (\(name))" } ?? name }
  }

  /// Device numbers, as "43:0", of the disk and its partitions.
  package static func deviceNumbers(of index: Int) -> Set<String> {
    Set(
      ([""] + partitions(of: index).map { "/" + $0.dropFirst("/dev/".count) })
        .compactMap { text("\(directory(index))\($0)/dev") })
  }

  /// The nodes of the disk and its partitions, and of all devices that form a mounted Btrfs with one of them.
  package static func nodes(sharingBtrfsWith index: Int) -> Set<String> {
    let own = Set([DeviceNode.path(index)] + partitions(of: index))
    return Directory.names(in: "/sys/fs/btrfs").reduce(into: own) { nodes, fileSystem in
      let members = Directory.names(in: "/sys/fs/btrfs/\(fileSystem)/devices").map { "/dev/\($0)" }
      if !own.isDisjoint(with: members) { nodes.formUnion(members) }
    }
  }

  /// A setting of the request queue; of several to choose from, the one in force.
  package static func queue(_ setting: String, of index: Int) -> String? {
    guard let text = text("\(directory(index))/queue/\(setting)") else { return nil }
    guard let open = text.firstIndex(of: "["), let close = text[open...].firstIndex(of: "]") else {
      return text
    }
    return String(text[text.index(after: open)..<close])
  }

  /// Writes a setting of the request queue, such as "scheduler".
  ///
  /// Blocks while requests are stuck.
  package static func setQueue(
    _ setting: String, _ value: String, of index: Int
  ) throws(SystemError) {
    let path = "\(directory(index))/queue/\(setting)"
    let file = try Descriptor.open(path, O_WRONLY)
    try check("write \(path)") { unsafe write(file.number, value, value.utf8.count) }
  }

  /// The index in "nbd3" or "/dev/nbd3"; nil for anything else.
  package static func index(of name: some StringProtocol) -> Int? {
    // No name is longer; comparing hostile Unicode can take quadratic time.
    guard name.utf8.count <= "/dev/nbd32767".utf8.count else { return nil }
    let name = name.hasPrefix("/dev/") ? name.dropFirst("/dev/".count) : name[...]
    guard name.hasPrefix("nbd") else { return nil }
    let digits = name.dropFirst("nbd".count)
    guard !digits.isEmpty, digits.utf8.allSatisfy({ 48...57 ~= $0 }), let index = Int(digits),
      String(index) == digits, index <= 32767
    else { return nil }
    return index
  }

  private static func directory(_ index: Int) -> String {
    "/sys/block/nbd\(index)"
  }

  private static func text(_ path: String) -> String? {
    File.firstLine(of: path)
  }
}
