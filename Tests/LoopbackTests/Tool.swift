// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux

/// Programs that tests need and that may be missing.
enum Tool: String {
  case nbdkit
  case nbdServer = "nbd-server"
  case qemu = "qemu-nbd"
  case openssl
  case file
  case script
  case python = "python3"
  case setpriv
  case socketActivate = "systemd-socket-activate"

  var isInstalled: Bool { path != nil }

  /// Where it is, by PATH.
  var path: String? {
    (Environment["PATH"] ?? "/usr/bin").split(separator: ":")
      .map { "\($0)/\(rawValue)" }.first { unsafe access($0, X_OK) == 0 }
  }

  /// The programs of this package, which are built into the directory of the tests' own.
  static func built(_ name: String) -> String {
    var room = [CChar](repeating: 0, count: Int(PATH_MAX))
    let length = unsafe readlink("/proc/self/exe", &room, room.count)
    let own = room.prefix(max(0, length)).map(UInt8.init(bitPattern:))
    let directory = String(decoding: own, as: UTF8.self).split(separator: "/").dropLast()
    return "/" + (directory + [name[...]]).joined(separator: "/")
  }

  static let isRoot = geteuid() == 0

  static let hasIPv6 = File.contents(of: "/proc/net/if_inet6")?.contains(" lo\n") == true
}
