// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import CLinux
internal import Glibc
package import Linux

/// What keeps a device in use, for people.
package enum Holders {
  /// True if a mount, a swap, a device mapper or the like claims the disk or a partition.
  ///
  /// The kernel knows this in every mount namespace. The descriptor, returned if nothing claims the
  /// device, keeps others from claiming it until it is closed.
  package static func claim(_ index: Int) throws(SystemError) -> Descriptor? {
    do throws(SystemError) {
      return try Descriptor.open(DeviceNode.path(index), O_RDONLY | O_EXCL)
    } catch  where error.errno == EBUSY {
      return nil
    }
  }

  /// What has attached a device, for people; nil if nothing has.
  package static func attacher(of index: Int) -> String? {
    guard let process = Sysfs.attacher(of: index) else { return nil }
    // A program that attached a device by netlink usually has ended, and its number may be reused.
    if Sysfs.isNetlink(index) {
      let backend = File.firstLine(of: "/sys/block/nbd\(index)/backend") ?? ""
      return "attached by another program, by netlink as nbd-client does"
        + (backend.isEmpty ? "" : " (backend '\(shown(backend))')")
    }
    return name(of: process).map { "attached by \($0) (\(process))" }
      ?? "attached by a process that has gone"
  }

  /// Everything that is known to hold the disk or a partition of it, for people.
  ///
  /// Looks into /proc of every process, so it takes a while. Not included is `user`, the process that asks.
  package static func describe(_ index: Int, for user: Int = own) -> [String] {
    mountPoints(of: index).map { "mounted at \(shown($0))" }
      + swaps(on: index).map { "used as swap (\($0))" }
      + Sysfs.stackedDevices(on: index).map { "part of \($0)" }
      + processes(holding: index, for: user)
  }

  /// What would keep a device in use after it was unmounted from a path, for people: other mounts of it, also in other
  /// mount namespaces, overlays on it, swap and stacked devices.
  ///
  /// Looks into /proc of every process, so it takes a while.
  package static func staying(_ index: Int, without path: String) -> [String] {
    let table = MountTable()
    let ours = table.mounts(of: index).filter { $0.path == path }
    let others = table.paths(of: index).filter { $0 != path }
    return others.map { "mounted at \(shown($0))" }
      + table.overlays(over: path).map { "part of an overlay at \(shown($0))" }
      + swaps(on: index).map { "used as swap (\($0))" }
      + Sysfs.stackedDevices(on: index).map { "part of \($0)" }
      + copies(of: index, notFollowing: Set(ours.compactMap(\.group)))
  }

  /// Mounts of a device in other namespaces that stay when ours goes.
  private static func copies(of index: Int, notFollowing groups: Set<String>) -> [String] {
    var seen: Set = [target(of: "/proc/self/ns/mnt")]
    var copies: [String] = []
    for process in Directory.names(in: "/proc").compactMap({ Int($0) }).sorted() {
      let namespace = target(of: "/proc/\(process)/ns/mnt")
      guard namespace != nil, seen.insert(namespace).inserted else { continue }
      for mount in MountTable(of: "\(process)").mounts(of: index) {
        let follows = [mount.group, mount.followedGroup].contains { group in
          group.map(groups.contains) ?? false
        }
        guard !follows else { continue }
        copies.append(
          "mounted at \(shown(mount.path)) in the mount namespace of \(name(of: process) ?? "?") "
            + "(pid \(process))")
      }
    }
    return copies
  }

  /// This process.
  package static var own: Int { Int(getpid()) }

  /// Processes that have the disk or a partition open, as "dd (pid 42)"; neither this one, nor `user`, nor the one that
  /// serves it.
  package static func processes(holding index: Int, for user: Int = own) -> [String] {
    let numbers = Sysfs.deviceNumbers(of: index)
    let server = Sysfs.attacher(of: index).flatMap(process(of:))
    return processes(except: [server, user]) { link in
      guard link.hasPrefix("/dev/") else { return false }
      var status = stat()
      guard unsafe stat(link, &status) == 0, status.st_mode & S_IFMT == S_IFBLK else {
        return false
      }
      return numbers.contains("\(gnu_dev_major(status.st_rdev)):\(gnu_dev_minor(status.st_rdev))")
    }
  }

  /// Processes that keep a mount point busy: with an open file, as working directory or root.
  package static func processes(usingMountAt path: String) -> [String] {
    let inside = path.hasSuffix("/") ? path : path + "/"
    return processes { "\($0)/".hasPrefix(inside) || $0.hasPrefix(inside) }
  }

  /// Where the disk or a partition of it is mounted, in this mount namespace.
  package static func mountPoints(of index: Int) -> [String] {
    MountTable().paths(of: index)
  }

  /// What is mounted at a path in this mount namespace, topmost: its device number, as "43:0",
  /// and its source, as "/dev/nbd0".
  package static func mount(at path: String) -> (number: String, source: String)? {
    MountTable().entry(at: path).map { ($0.number, $0.source) }
  }

  /// The name of a process, which may be arbitrary bytes, made printable; nil if there is no such
  /// process.
  package static func name(of process: Int) -> String? {
    File.firstLine(of: "/proc/\(process)/comm").map { shown($0) }
  }

  private static func swaps(on index: Int) -> [String] {
    let nodes = [DeviceNode.path(index)] + Sysfs.partitions(of: index)
    return ((try? File.bytes(of: "/proc/swaps")) ?? []).split(separator: UInt8(ascii: "\n"))
      .compactMap {
        let node = String(decoding: $0.prefix { $0 > UInt8(ascii: " ") }, as: UTF8.self)
        return nodes.contains(node) ? node : nil
      }
  }

  /// The process that a thread belongs to; nil if there is no such thread.
  private static func process(of thread: Int) -> Int? {
    let lines = File.contents(of: "/proc/\(thread)/status")?.split(separator: "\n") ?? []
    return lines.first { $0.hasPrefix("Tgid:") }.flatMap {
      Int($0.dropFirst("Tgid:".count).drop { $0 == "\t" || $0 == " " })
    }
  }

  private static func processes(
    except others: [Int?] = [], _ isHeld: (String) -> Bool
  ) -> [String] {
    Directory.names(in: "/proc").compactMap { Int($0) }.sorted().compactMap { process in
      guard process != own, !others.contains(process) else { return nil }
      let links =
        Directory.names(in: "/proc/\(process)/fd").map { "fd/\($0)" } + ["cwd", "root"]
      guard
        links.contains(where: { link in target(of: "/proc/\(process)/\(link)").map(isHeld) == true }
        )
      else { return nil }
      return "\(name(of: process) ?? "?") (pid \(process))"
    }
  }

  private static func target(of link: String) -> String? {
    var room = [UInt8](repeating: 0, count: 4096)
    let count = unsafe room.withUnsafeMutableBytes { raw in
      guard let start = raw.baseAddress else { return -1 }
      return unsafe readlink(link, start.assumingMemoryBound(to: CChar.self), raw.count)
    }
    return count < 0 ? nil : String(decoding: room.prefix(count), as: UTF8.self)
  }
}
