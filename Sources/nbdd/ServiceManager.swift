// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import CSystemd
internal import Kernel

/// What systemd is told, if it started us, and what it hands over.
enum ServiceManager {
  private static var lastStatus = ""

  static func ready() {
    notify("READY=1")
  }

  static func stopping() {
    notify("STOPPING=1")
  }

  /// A reload begins; `ready` ends it.
  ///
  /// Without the time, systemd 253 and later would wait for ever.
  static func reloading() {
    notify("RELOADING=1\nMONOTONIC_USEC=\(Clocks.monotonic)")
  }

  /// The line that `systemctl status` shows, and nothing but that: a line break would begin another
  /// assignment, as that of MAINPID.
  static func status(_ text: String) {
    guard text != lastStatus else { return }
    lastStatus = text
    notify("STATUS=\(shown(text))")
  }

  /// Asks for so much more time to stop.
  static func extendTimeout(_ time: Duration) {
    notify("EXTEND_TIMEOUT_USEC=\(time.milliseconds * 1000)")
  }

  /// Tells systemd that the loop runs, three times in each period that it allows.
  static func startWatchdog() {
    var period: UInt64 = 0
    guard unsafe sd_watchdog_enabled(0, &period) > 0, period > 0 else { return }
    Loop.repeatTimer(every: .microseconds(Int64(period / 3))) { notify("WATCHDOG=1") }
  }

  /// The listening socket that systemd made for us, if it did.
  static func inheritedSocket() throws(SystemError) -> Descriptor? {
    guard sd_listen_fds(1) > 0 else { return nil }
    let listener = Descriptor(owning: SD_LISTEN_FDS_START)
    try listener.setBlocking(false)
    return listener
  }

  private static func notify(_ state: String) {
    _ = unsafe sd_notify(0, state)
  }
}
