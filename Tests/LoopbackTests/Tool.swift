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

  static let isRoot = geteuid() == 0

  static let hasIPv6 = File.contents(of: "/proc/net/if_inet6")?.contains(" lo\n") == true
}
