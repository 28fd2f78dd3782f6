// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import CSystemd
internal import Linux

/// Messages to systemd, if it started nbdd, and the socket that it passes.
///
/// Nothing waits for it: if it is stuck, it gets the last message of each kind later.
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

  /// Sets the line that `systemctl status` shows, and nothing else: a line break would begin
  /// another assignment, such as MAINPID.
  static func status(_ text: String) {
    guard text != lastStatus else { return }
    lastStatus = text
    notify("STATUS=\(shown(text))")
  }

  /// Asks for this much more time to stop.
  static func extendTimeout(_ time: Duration) {
    notify("EXTEND_TIMEOUT_USEC=\(time.milliseconds * 1000)")
  }

  /// Reports to systemd that the loop runs, three times in each period that it allows.
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

  /// Waits until systemd has received everything, but not beyond the deadline.
  static func drain(until deadline: ContinuousClock.Instant) {
    outbox.drain(until: deadline)
  }

  private static let outbox = Outbox<String>("notify", limit: 16) { state in
    _ = unsafe sd_notify(0, state)
  }

  private static func notify(_ state: String) {
    guard Environment["NOTIFY_SOCKET"] != nil else { return }
    outbox.append(state) { kind($0).elementsEqual(kind(state)) }
  }

  private static func kind(_ state: String) -> some Sequence<UInt8> {
    state.utf8.prefix { $0 != UInt8(ascii: "=") }
  }
}
