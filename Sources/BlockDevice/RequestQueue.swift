// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Linux
package import NBD

/// The settings of a kernel device's request queue: what one user of the device has set does not
/// remain for the next.
///
/// The driver keeps them from one attachment to the next. nbdd remembers how they were before it
/// attached the device for the first time, starts from that at each attach, and puts it back after.
package enum RequestQueue {
  private static let directory = "/run/nbdd/queue"

  /// What nbdd changes for an attachment; the scheduler first, because it resets others.
  private static let own = ["scheduler", "rotational", "max_sectors_kb", "io_timeout"]
  /// What it resets to the kernel's own values.
  private static let kernels = [
    "read_ahead_kb", "nomerges", "rq_affinity", "add_random", "iostats", "stable_writes",
    "wbt_lat_usec",
  ]
  /// Requests in flight, as the driver sets it; with a scheduler, the number is the scheduler's.
  private static let depth = "128"

  /// Remembers the settings of a device, unless that was done earlier in this boot.
  package static func remember(_ index: Int) throws(SystemError) {
    let path = path(index)
    guard File.contents(of: path) == nil else { return }
    try Directory.create(directory)
    let lines = (own + kernels).compactMap { setting in
      Sysfs.queue(setting, of: index).map { "\(setting) \($0)\n" }
    }
    try File.write(lines.joined(), to: path)
  }

  /// Sets up the queue of a device that was just attached.
  ///
  /// Blocks while requests are stuck.
  package static func setUp(
    _ device: any KernelDevice, _ flags: TransmissionFlags, maximumPayload: UInt32?,
    isReadOnly: Bool,
    readAhead: Int?
  ) throws(SystemError) {
    let index = device.index
    // Requests go to a server that schedules them itself; and with any other scheduler, a
    // signal at a bad moment costs the connection (Linux 6.6 to 6.13).
    try set("scheduler", "none", index)
    try set("rotational", flags.contains(.rotational) ? "1" : "0", index)
    // The kernel does not know the server's limit; its own default is small for a network.
    let limit = maximumPayload ?? .max
    try set("max_sectors_kb", "\(min(max(limit >> 10, 4), 1024))", index)

    // A setting of an earlier user is no reason to fail.
    let remembered = remembered(index)
    for setting in kernels {
      if let value = remembered[setting] { try? set(setting, value, index) }
    }
    try? set("nr_requests", depth, index)
    if flags.contains(.sendFlush) { try? set("write_cache", "write back", index) }
    if flags.contains(.sendTrim),
      let most = Sysfs.queue("discard_max_hw_bytes", of: index)
    {
      try? set("discard_max_bytes", most, index)
    }
    if !isReadOnly { device.allowWrites() }
    if let readAhead { try set("read_ahead_kb", "\(readAhead >> 10)", index) }
  }

  /// Puts back what was remembered, after the driver has forgotten the sockets and before the node
  /// is closed: until then no other program can attach the device.
  package static func restore(_ device: any KernelDevice) {
    let remembered = remembered(device.index)
    for setting in own + kernels {
      if let value = remembered[setting] { try? set(setting, value, device.index) }
    }
    device.allowWrites()
  }

  private static func set(
    _ setting: String, _ value: String, _ index: Int
  ) throws(SystemError) {
    guard Sysfs.queue(setting, of: index) != value else { return }
    try Sysfs.setQueue(setting, value, of: index)
  }

  private static func path(_ index: Int) -> String { "\(directory)/nbd\(index)" }

  private static func remembered(_ index: Int) -> [String: String] {
    var settings: [String: String] = [:]
    for line in (File.contents(of: path(index)) ?? "").split(separator: "\n") {
      let parts = line.split(separator: " ", maxSplits: 1)
      if parts.count == 2 { settings[String(parts[0])] = String(parts[1]) }
    }
    return settings
  }
}
